#include "dray/base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "dray/base/error.h"

namespace dray {
namespace {

TEST(ParallelFor, DoesEachOnceAndSeveralAtOnce) {
  std::vector<std::atomic<int>> done(100);
  std::atomic<int> inside = 0;
  std::atomic<bool> together = false;
  parallel_for(done.size(), 4, {}, [&](std::size_t i, const std::stop_token&) {
    ++inside;
    // The first one waits for company, with an end so that a failure is no hang.
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!together && inside < 2 && std::chrono::steady_clock::now() < end)
      std::this_thread::yield();
    if (inside > 1) together = true;
    ++done[i];
    --inside;
  });
  for (const auto& times : done) EXPECT_EQ(times, 1);
  EXPECT_TRUE(together);
}

TEST(ParallelFor, TheFirstErrorStopsTheOthersAndIsThrown) {
  std::atomic<int> begun = 0;
  try {
    parallel_for(1'000, 3, {}, [&](std::size_t i, const std::stop_token& stop) {
      ++begun;
      if (i == 0) throw Error(Code::network, "gone");
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
      while (!stop.stop_requested() && std::chrono::steady_clock::now() < end)
        std::this_thread::yield();
    });
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::network);
  }
  EXPECT_LT(begun, 10);
}

TEST(ParallelFor, AStopEndsIt) {
  std::stop_source stop;
  std::atomic<int> begun = 0;
  EXPECT_THROW(parallel_for(1'000, 2, stop.get_token(),
                            [&](std::size_t, const std::stop_token&) {
                              ++begun;
                              stop.request_stop();
                            }),
               Error);
  EXPECT_LT(begun, 10);
  int none = 0;
  parallel_for(0, 4, {}, [&](std::size_t, const std::stop_token&) { ++none; });
  EXPECT_EQ(none, 0);
}

}  // namespace
}  // namespace dray
