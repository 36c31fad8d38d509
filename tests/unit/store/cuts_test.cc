#include "dray/store/cuts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dray/model/range_digests.h"

namespace dray {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr CutLimits kS3{5 * kMiB, 32 * kMiB, kGiB, 9'000};

TEST(Cuts, SmallPiecesAreJoinedUntilTheyMayBeAPart) {
  EXPECT_THAT(
      cut_at_pieces({100, 2 * kMiB, 6 * kMiB, 7 * kMiB, 15 * kMiB, 16 * kMiB, 17 * kMiB}, kS3),
      ElementsAre(6 * kMiB, 15 * kMiB, 17 * kMiB))
      << "the last may be short";
}

TEST(Cuts, PiecesThatAreLargeEnoughStayAlone) {
  EXPECT_THAT(cut_at_pieces({8 * kMiB, 16 * kMiB, 21 * kMiB, 22 * kMiB}, kS3),
              ElementsAre(8 * kMiB, 16 * kMiB, 21 * kMiB, 22 * kMiB));
}

TEST(Cuts, OnePartIsNoCut) {
  EXPECT_THAT(cut_at_pieces({}, kS3), IsEmpty());
  EXPECT_THAT(cut_at_pieces({4 * kMiB}, kS3), IsEmpty());
  EXPECT_THAT(cut_at_pieces({kMiB, 4 * kMiB}, kS3), IsEmpty());
}

TEST(Cuts, WhatMustBePutFitsAPart) {
  CutLimits small = kS3;
  small.max_put = 10 * kMiB;
  EXPECT_THAT(cut_at_pieces({4 * kMiB, 12 * kMiB, 20 * kMiB}, small), IsEmpty());
  EXPECT_THAT(cut_at_pieces({4 * kMiB, 10 * kMiB, 20 * kMiB}, small),
              ElementsAre(10 * kMiB, 20 * kMiB));
}

TEST(Cuts, AnyObjectGivesFewEnoughPartsWithinTheLimits) {
  for (const std::uint64_t size : {70 * kGiB, 500 * kGiB}) {
    CutLimits limits = kS3;
    limits.max_put = 72 * kMiB;  // as large as the layout of such objects allows
    const auto ends = cut_at_pieces(piece_ends(size), limits);
    ASSERT_FALSE(ends.empty());
    EXPECT_LE(ends.size(), limits.max_count);
    EXPECT_EQ(ends.back(), size);
    for (std::size_t i = 0, at = 0; i < ends.size(); at = ends[i++]) {
      EXPECT_LE(ends[i] - at, limits.max_put);
      if (i + 1 < ends.size()) {
        EXPECT_GE(ends[i] - at, limits.min_part);
      }
    }
  }
}

}  // namespace
}  // namespace dray
