// The two ways of reading a tar archive: as it streams by, and at any place.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "dray/base/error.h"
#include "dray/model/tar_header.h"
#include "dray/model/tar_reader.h"
#include "tests/support/errors.h"
#include "tests/support/tar_archives.h"

namespace dray::tar {
namespace {

using test::end_of_archive;
using test::error_of;
using test::golden_archive;
using test::header;
using test::padded;

struct Streamed {
  std::vector<Entry> entries;
  std::vector<std::string> data;
  bool end = false;
};

Streamed streamed(Bytes archive, std::size_t piece) {
  StreamReader reader("stream");
  Streamed result;
  while (!archive.empty()) {
    Bytes input = archive.first(std::min(piece, archive.size()));
    archive = archive.subspan(input.size());
    while (const auto event = reader.next(input)) {
      EXPECT_FALSE(result.end);
      switch (event->kind) {
        case StreamReader::Event::Kind::entry:
          result.entries.push_back(*event->entry);
          result.data.emplace_back();
          break;
        case StreamReader::Event::Kind::data:
          EXPECT_EQ(*event->entry, result.entries.back());
          EXPECT_FALSE(event->data.empty());
          result.data.back() += as_text(event->data);
          break;
        case StreamReader::Event::Kind::end:
          EXPECT_EQ(event->entry, nullptr);
          result.end = true;
          break;
      }
    }
    EXPECT_TRUE(input.empty());
  }
  reader.finish();
  return result;
}

TEST(TarStream, PiecesOfAnySizeGiveTheSameAsTheWhole) {
  for (const char* name : {"gnu_gnu", "gnu_posix", "bsd_pax", "python_ustar"}) {
    const Buffer archive = golden_archive(name);
    const auto expected = test::entries_of(as_text(archive));
    for (const std::size_t piece : {1UL, 7UL, 511UL, 512UL, 513UL, 4096UL, archive.size()}) {
      const auto result = streamed(archive, piece);
      EXPECT_EQ(result.entries, expected) << name << " in pieces of " << piece;
      EXPECT_TRUE(result.end);
      for (std::size_t i = 0; i < expected.size(); ++i)
        EXPECT_EQ(result.data.at(i),
                  as_text(archive).substr(expected[i].data_offset, expected[i].size));
    }
  }
}

TEST(TarStream, DataIsNotCopied) {
  const std::string archive = header("a", '0', 3) + padded("abc") + end_of_archive();
  StreamReader reader("stream");
  Bytes input = as_bytes(archive);
  ASSERT_TRUE(reader.next(input));
  const auto event = reader.next(input);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->data.data(), as_bytes(archive).data() + 512);
}

TEST(TarStream, WhatFollowsTheEndIsSwallowed) {
  const std::string archive = header("a") + end_of_archive() + header("b") + "garbage";
  const auto result = streamed(as_bytes(archive), 100);
  EXPECT_EQ(result.entries.size(), 1U);
  EXPECT_TRUE(result.end);
}

TEST(TarStream, EndsWithoutZerosBetweenMembersOnly) {
  const std::string archive = header("a", '0', 3) + padded("abc") + header("b");
  EXPECT_EQ(streamed(as_bytes(archive), 100).entries.size(), 2U);
  EXPECT_FALSE(streamed(as_bytes(archive), 100).end);
  for (const std::size_t cut : {1UL, 511UL, 512UL, 514UL, 515UL, 1023UL, 1025UL, 1535UL})
    EXPECT_EQ(error_of([&] { streamed(as_bytes(archive).first(cut), 100); }).code(),
              Code::malformed)
        << cut;
  EXPECT_EQ(streamed(as_bytes(archive).first(1024), 100).entries.size(), 1U);
}

TEST(TarScan, ReadsHeadersAndNotData) {
  // Two members of 9 GiB, of which only the headers are ever asked for.
  const std::uint64_t size = 9 * kGiB;
  const std::uint64_t second = 512 + size, third = second + 512 + size;
  const std::uint64_t archive_size = third + 1024;
  std::vector<ByteRange> reads;
  const auto entries = scan(
      archive_size,
      [&](ByteRange range) {
        reads.push_back(range);
        std::string bytes(range.length, '\0');
        if (range.offset == 0) bytes.replace(0, 512, header("a", '0', size));
        if (range.offset == second) bytes.replace(0, 512, header("b", '0', size));
        const auto view = as_bytes(bytes);
        return Buffer(view.begin(), view.end());
      },
      "large", 4096);
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[1].data_offset, second + 512);
  EXPECT_EQ(reads, (std::vector<ByteRange>{{0, 4096}, {second, 4096}, {third, 1024}}));
}

TEST(TarScan, ReadsAheadWhereMembersAreSmall) {
  const Buffer archive = golden_archive("gnu_posix");
  for (const std::uint64_t ahead : {0UL, 512UL, 1000UL, 65536UL}) {
    std::size_t reads = 0;
    const auto entries = scan(
        archive.size(),
        [&](ByteRange range) {
          ++reads;
          EXPECT_LE(range.end(), archive.size());
          const auto bytes = Bytes(archive).subspan(range.offset, range.length);
          return Buffer(bytes.begin(), bytes.end());
        },
        "archive", ahead);
    EXPECT_EQ(entries, test::entries_of(as_text(archive))) << ahead;
    if (ahead == 65536) {
      EXPECT_EQ(reads, 1U);
    }
  }
}

TEST(TarScan, ShortReadsAreABugOfTheCaller) {
  EXPECT_EQ(error_of([] { scan(1024, [](ByteRange) { return Buffer(100); }, "short"); }).code(),
            Code::internal);
}

}  // namespace
}  // namespace dray::tar
