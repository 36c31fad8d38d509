#include "dray/transfer/buffers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/support/random.h"

namespace dray {
namespace {

TEST(BufferPool, NeverHandsOutMoreThanTheBudget) {
  BufferPool pool(10 * kMiB);
  auto a = pool.take(4 * kMiB);
  auto b = pool.take(6 * kMiB);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->bytes().size(), 4 * kMiB);
  EXPECT_FALSE(pool.take(1).has_value());
  pool.give(std::move(*a));
  EXPECT_TRUE(pool.take(4 * kMiB).has_value());
}

TEST(BufferPool, OneBufferLargerThanTheBudgetIsAllowedAlone) {
  BufferPool pool(1 * kMiB);
  auto big = pool.take(8 * kMiB);
  ASSERT_TRUE(big.has_value());
  EXPECT_FALSE(pool.take(1).has_value());
  pool.give(std::move(*big));
  EXPECT_EQ(pool.out(), 0u);
  pool.give(std::move(*big));
  EXPECT_EQ(pool.out(), 0u) << "what was given back is not given twice";
}

TEST(BufferPool, MemoryIsUsedAgain) {
  BufferPool pool(10 * kMiB);
  auto first = pool.take(4 * kMiB);
  const std::byte* const where = first->bytes().data();
  pool.give(std::move(*first));
  EXPECT_EQ(pool.take(4 * kMiB - 5)->bytes().data(), where) << "the same rounded size";
}

TEST(BufferPool, ATailDoesNotDisplaceKeptMemory) {
  BufferPool pool(64 * kMiB);
  std::vector<const std::byte*> known;
  {
    auto a = pool.take(32 * kMiB), b = pool.take(32 * kMiB);
    known = {a->bytes().data(), b->bytes().data()};
    pool.give(std::move(*a));
    pool.give(std::move(*b));
  }
  auto tail = pool.take(20 * kMiB);
  ASSERT_TRUE(tail.has_value());
  EXPECT_EQ(tail->bytes().size(), 20 * kMiB);
  EXPECT_NE(std::find(known.begin(), known.end(), tail->bytes().data()), known.end());
  EXPECT_EQ(pool.out(), 32 * kMiB) << "it counts as what it holds";
  EXPECT_FALSE(pool.take(33 * kMiB).has_value());
  auto part = pool.take(32 * kMiB);
  ASSERT_TRUE(part.has_value());
  EXPECT_NE(std::find(known.begin(), known.end(), part->bytes().data()), known.end());
}

TEST(BufferPool, ASmallFileDoesNotTakeALargeBuffer) {
  BufferPool pool(64 * kMiB);
  for (int i = 0; i < 2; ++i) {
    auto a = pool.take(32 * kMiB), b = pool.take(32 * kMiB);
    pool.give(std::move(*a));
    pool.give(std::move(*b));
  }
  auto small = pool.take(3 * kMiB), tiny = pool.take(100);
  ASSERT_TRUE(small && tiny);
  EXPECT_LE(pool.out(), 5 * kMiB);
}

TEST(BufferPool, AmpleMemoryIsNotWasted) {
  BufferPool pool(128 * kMiB);
  auto large = pool.take(32 * kMiB);
  pool.give(std::move(*large));
  auto tail = pool.take(20 * kMiB);
  EXPECT_EQ(pool.out(), 20 * kMiB) << "it fits beside what is kept";
}

TEST(BufferPool, RoomIsMadeWithTheSmallestThatIsEnough) {
  BufferPool pool(72 * kMiB);
  auto large = pool.take(32 * kMiB), small = pool.take(6 * kMiB), other = pool.take(30 * kMiB);
  const std::byte* const kept[] = {large->bytes().data(), small->bytes().data()};
  for (auto* buffer : {&large, &small, &other}) pool.give(std::move(**buffer));
  ASSERT_TRUE(pool.take(34 * kMiB).has_value());  // beside 68 that are kept: 30 have to go
  EXPECT_EQ(pool.take(32 * kMiB)->bytes().data(), kept[0]);
  EXPECT_EQ(pool.take(6 * kMiB)->bytes().data(), kept[1]);
}

TEST(BufferPool, WhatIsToFitBesideKeepsItsRoom) {
  BufferPool pool(64 * kMiB);
  {
    auto a = pool.take(32 * kMiB), b = pool.take(30 * kMiB);
    pool.give(std::move(*a));
    pool.give(std::move(*b));
  }
  auto other = pool.take(30 * kMiB);  // the same again; 32 are kept
  EXPECT_FALSE(pool.take(30 * kMiB, 8 * kMiB).has_value());
  // The kept 32 would do for 8 but leave no room for another 8.
  auto out = pool.take(8 * kMiB, 8 * kMiB);
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(pool.out(), 38 * kMiB);
  EXPECT_TRUE(pool.take(8 * kMiB).has_value());
}

TEST(BufferPool, AnEmptyBufferCountsToo) {
  BufferPool pool(4 * kMiB);
  auto empty = pool.take(0);
  ASSERT_TRUE(empty.has_value());
  EXPECT_TRUE(empty->bytes().empty());
  EXPECT_GT(pool.out(), 0u);
  pool.give(std::move(*empty));
  EXPECT_EQ(pool.out(), 0u);
}

TEST(BufferPool, RandomTakingAndGivingKeepsCount) {
  auto random = test::generator(3);
  BufferPool pool(32 * kMiB);
  std::vector<PoolBuffer> held;
  for (int i = 0; i < 300; ++i) {
    if (random() % 2 == 0 && !held.empty()) {
      pool.give(std::move(held.back()));
      held.pop_back();
    } else if (auto buffer = pool.take(random() % (9 * kMiB))) {
      held.push_back(std::move(*buffer));
    }
    if (held.size() > 1) {
      EXPECT_LE(pool.out(), pool.budget());
    }
  }
  for (auto& buffer : held) pool.give(std::move(buffer));
  EXPECT_EQ(pool.out(), 0u);
}

}  // namespace
}  // namespace dray
