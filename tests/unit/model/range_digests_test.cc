#include "dray/model/range_digests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dray/base/error.h"

namespace dray {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

RangeDigest digest(std::uint64_t offset, std::uint64_t length, std::byte first) {
  RangeDigest out{{offset, length}, {}};
  out.sha256[0] = first;
  return out;
}

RangeRecord record() {
  return {"tiny",
          "1.0.0",
          {{"a file.safetensors",
            100,
            std::string(64, 'a'),
            {digest(0, 10, std::byte{1}), digest(20, 80, std::byte{2})}},
           {"sub/b.bin", 5, std::string(64, 'b'), {}}}};
}

Code code_of(const std::string& text) {
  try {
    static_cast<void>(parse_range_record(text, "the record"));
  } catch (const Error& e) {
    return e.code();
  }
  return Code::internal;
}

TEST(RangeRecord, ThereAndBack) {
  EXPECT_EQ(parse_range_record(range_record_text(record()), "the record"), record());
  EXPECT_EQ(range_record_text(record()),
            "dray-ranges 1\ntiny 1.0.0\nfile 100 " + std::string(64, 'a') +
                " a file.safetensors\n0 10 01" + std::string(62, '0') + "\n20 80 02" +
                std::string(62, '0') + "\nfile 5 " + std::string(64, 'b') + " sub/b.bin\n");
}

TEST(RangeRecord, OfALaterDrayIsNotRead) {
  std::string text = range_record_text(record());
  text[12] = '2';
  EXPECT_EQ(code_of(text), Code::unsupported);
}

TEST(RangeRecord, WhatDoesNotFitIsRefused) {
  const std::string head = "dray-ranges 1\nn 1\n", sha(64, 'a');
  const std::string file = "file 100 " + sha + " f\n";
  EXPECT_EQ(code_of(head + file + "0 100 " + sha + "\n"), Code::internal) << "this one fits";
  for (const std::string& bad :
       {std::string("other 1\nn 1\n"), std::string("dray-ranges x\nn 1\n"),
        std::string("dray-ranges 1\nn1\n"), head + "0 10 " + sha + "\n",
        head + file + "0 0 " + sha + "\n", head + file + "0 101 " + sha + "\n",
        head + file + "100 1 " + sha + "\n", head + file + "1 18446744073709551615 " + sha + "\n",
        head + file + "0 10 " + sha + "\n5 10 " + sha + "\n", head + file + "0 10 " + sha,
        head + file + "0 10 " + sha.substr(1) + "\n",
        head + file + "0 10 " + std::string(64, 'g') + "\n", head + "file 100 " + sha + " ../f\n",
        head + "file -1 " + sha + " f\n", head + file + "\n"})
    EXPECT_EQ(code_of(bad), Code::malformed) << bad;
}

TEST(PieceEnds, WithoutAHeaderTheyAreEven) {
  EXPECT_THAT(piece_ends(0), IsEmpty());
  EXPECT_THAT(piece_ends(kPieceSize), ElementsAre(kPieceSize));
  EXPECT_THAT(piece_ends(2 * kPieceSize + 1),
              ElementsAre(kPieceSize, 2 * kPieceSize, 2 * kPieceSize + 1));
}

TEST(PieceEnds, TensorsBeginPieces) {
  SafetensorsHeader header;
  header.header_bytes = 50;
  header.tensors = {{"a", "U8", {10}, {0, 10}},
                    {"none", "U8", {0}, {10, 0}},
                    {"b", "U8", {kPieceSize + 1}, {10, kPieceSize + 1}},
                    {"c", "U8", {1}, {kPieceSize + 11, 1}}};
  EXPECT_THAT(piece_ends(header, kPieceSize + 62),
              ElementsAre(50, 60, 60 + kPieceSize, 61 + kPieceSize, 62 + kPieceSize));
}

}  // namespace
}  // namespace dray
