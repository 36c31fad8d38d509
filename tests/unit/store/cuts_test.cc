#include "dray/store/cuts.h"

#include <gtest/gtest.h>

#include "dray/base/error.h"
#include "tests/support/random.h"

namespace dray::test {
namespace {

constexpr CutLimits kLimits{.min_part = 10, .max_put = 32, .max_copy = 100, .max_count = 50};

StoredRange range(std::uint64_t offset, std::uint64_t length, const char* key = "old") {
  return {key, "\"e\"", {offset, length}};
}

/// "p12 c40" for 12 bytes to put and 40 to copy.
std::string text(const std::vector<CutPart>& parts) {
  std::string out;
  for (const auto& part : parts)
    out += (out.empty() ? "" : " ") + std::string(part.from ? "c" : "p") +
           std::to_string(part.range.length);
  return out;
}

TEST(StoreCuts, WhatIsTheSameIsCopiedFromItsPlace) {
  const auto parts = cut_parts(100, {{0, range(0, 40)}, {60, range(55, 40)}}, kLimits);
  EXPECT_EQ(text(parts), "c40 p20 c40");
  EXPECT_EQ(parts[2].range.offset, 60u);
  EXPECT_EQ(parts[2].from->range, (ByteRange{55, 40}));
  EXPECT_EQ(part_ends(parts), (std::vector<std::uint64_t>{40, 60, 100}));
}

TEST(StoreCuts, NeighboursThatContinueEachOtherAreOne) {
  EXPECT_EQ(text(cut_parts(60, {{20, range(20, 40)}, {0, range(0, 20)}}, kLimits)), "c60");
  EXPECT_EQ(text(cut_parts(60, {{0, range(0, 20)}, {20, range(21, 40)}}, kLimits)), "c20 c40");
  EXPECT_EQ(text(cut_parts(60, {{0, range(0, 20)}, {20, range(20, 40, "other")}}, kLimits)),
            "c20 c40");
}

TEST(StoreCuts, ShortRunsTakeFromANeighbour) {
  EXPECT_EQ(text(cut_parts(100, {{0, range(0, 48)}, {52, range(52, 48)}}, kLimits)), "c48 p10 c42");
  // The one behind would be too short then, so the one before gives.
  EXPECT_EQ(text(cut_parts(64, {{0, range(0, 48)}, {52, range(52, 12)}}, kLimits)), "c42 p10 c12");
  // Neither can give: all that is short is put.
  EXPECT_EQ(text(cut_parts(30, {{0, range(0, 12)}, {15, range(15, 15)}}, kLimits)), "c12 p18");
}

TEST(StoreCuts, OnlyTheLastPartMayBeShort) {
  EXPECT_EQ(text(cut_parts(45, {{0, range(0, 42)}}, kLimits)), "c42 p3");
  EXPECT_EQ(text(cut_parts(50, {{0, range(0, 5)}, {45, range(45, 5)}}, kLimits)), "p25 p25");
}

TEST(StoreCuts, LongRunsAreSplit) {
  EXPECT_EQ(text(cut_parts(70, {}, kLimits)), "p24 p23 p23");
  EXPECT_EQ(text(cut_parts(250, {{0, range(0, 250)}}, kLimits)), "c84 c83 c83");
  EXPECT_EQ(text(cut_parts(0, {}, kLimits)), "p0");
}

TEST(StoreCuts, TooManyPartsMeanThatLessIsCopied) {
  std::vector<ReusableRange> all;
  for (std::uint64_t i = 0; i < 60; ++i) all.push_back({i * 30, range(i * 30, 15)});
  CutLimits limits = kLimits;
  limits.max_put = 100;
  EXPECT_LE(cut_parts(1800, all, limits).size(), limits.max_count);
}

TEST(StoreCuts, AtRandomThePartsMakeUpTheObjectWithinTheLimits) {
  auto random = generator(41);
  for (int round = 0; round < 500; ++round) {
    std::vector<ReusableRange> reusable;
    std::uint64_t at = 0;
    for (int i = 0; i < 12; ++i) {
      at += random() % 30;
      const std::uint64_t length = random() % 60;
      if (length > 0) reusable.push_back({at, range(1000 + at, length)});
      at += length;
    }
    const std::uint64_t size = at + 1 + random() % 30;
    const auto parts = cut_parts(size, reusable, kLimits);
    std::uint64_t end = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      ASSERT_EQ(parts[i].range.offset, end);
      end = parts[i].range.end();
      const std::uint64_t length = parts[i].range.length;
      if (i + 1 < parts.size()) {
        ASSERT_GE(length, kLimits.min_part) << text(parts);
      }
      ASSERT_LE(length, parts[i].from ? kLimits.max_copy : kLimits.max_put);
      if (!parts[i].from) continue;
      // Every copied byte comes from its own place.
      ASSERT_EQ(parts[i].from->range.length, length);
      ASSERT_EQ(parts[i].from->range.offset, 1000 + parts[i].range.offset);
    }
    ASSERT_EQ(end, size);
    ASSERT_LE(parts.size(), kLimits.max_count);
  }
}

TEST(StorePartLayout, UnevenParts) {
  ObjectSpec spec;
  spec.key = "k";
  spec.size = 100;
  const PartLayout even{100, 64, false};
  EXPECT_EQ(layout_for(spec, even).count(), 2u);
  EXPECT_EQ(layout_for(spec, even).cut(), 0u);
  EXPECT_EQ(layout_for(spec, even).index_of(64), 1u);
  spec.part_ends = {10, 70, 100};
  const PartLayout cut = layout_for(spec, even);
  EXPECT_EQ(cut.count(), 3u);
  EXPECT_EQ(cut.part(0), (ByteRange{0, 10}));
  EXPECT_EQ(cut.part(2), (ByteRange{70, 30}));
  EXPECT_EQ(cut.part_size, 60u);
  EXPECT_EQ(cut.index_of(9), 0u);
  EXPECT_EQ(cut.index_of(10), 1u);
  EXPECT_EQ(cut.index_of(99), 2u);
  spec.part_ends = {11, 70, 100};
  EXPECT_NE(layout_for(spec, even).cut(), cut.cut());
  for (const std::vector<std::uint64_t>& bad :
       {std::vector<std::uint64_t>{10, 99}, {10, 10, 100}, {50, 40, 100}, {100, 100}}) {
    spec.part_ends = bad;
    EXPECT_THROW(layout_for(spec, even), Error);
  }
}

}  // namespace
}  // namespace dray::test
