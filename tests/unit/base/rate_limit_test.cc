#include "dray/base/rate_limit.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "dray/base/error.h"

namespace dray {
namespace {

using Clock = std::chrono::steady_clock;

// These measure that waiting is long enough, never that it is short: a busy machine cannot fail
// them.
TEST(RateLimitWait, HoldsTheRate) {
  RateLimit limit(1'000'000);
  const auto start = Clock::now();
  for (int i = 0; i < 10; ++i) limit.acquire(30'000, {});
  // 300 ms of bytes, less the burst of 100 ms and the last slot, which nobody waits for.
  EXPECT_GE(Clock::now() - start, std::chrono::milliseconds(169));
}

TEST(RateLimitWait, IsSharedByThreads) {
  RateLimit limit(1'000'000);
  const auto start = Clock::now();
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([&limit] {
        for (int i = 0; i < 4; ++i) limit.acquire(25'000, {});
      });
  }
  EXPECT_GE(Clock::now() - start, std::chrono::milliseconds(174));
}

TEST(RateLimitWait, ZeroMeansNoLimit) {
  RateLimit limit(0);
  for (int i = 0; i < 1000; ++i) limit.acquire(UINT64_MAX, {});
}

TEST(RateLimitWait, StopsWhenToldTo) {
  RateLimit limit(1);
  limit.acquire(UINT64_MAX, {});  // fills the next year
  std::stop_source stop;
  std::jthread stopper([&stop] { stop.request_stop(); });
  try {
    limit.acquire(1, stop.get_token());
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::cancelled);
  }
}

}  // namespace
}  // namespace dray
