#include "dray/transfer/buffers.h"

#include <gtest/gtest.h>

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
}

TEST(BufferPool, MemoryIsUsedAgain) {
  BufferPool pool(10 * kMiB);
  auto first = pool.take(4 * kMiB);
  const std::byte* const where = first->bytes().data();
  pool.give(std::move(*first));
  EXPECT_EQ(pool.take(4 * kMiB - 5)->bytes().data(), where) << "the same rounded size";
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
