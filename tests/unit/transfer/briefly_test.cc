#include "dray/transfer/briefly.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "dray/base/error.h"

namespace dray {
namespace {

TEST(Briefly, TellsWhetherItWasDone) {
  bool done = false;
  EXPECT_TRUE(briefly("do it", [&](const std::stop_token&) { done = true; }));
  EXPECT_TRUE(done);
  EXPECT_FALSE(briefly("do it", [](const std::stop_token&) { throw Error(Code::network, "no"); }));
}

TEST(Briefly, WhatHangsIsStopped) {
  bool stopped = false;
  EXPECT_FALSE(briefly("hang", [&](const std::stop_token& stop) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!stop.stop_requested() && std::chrono::steady_clock::now() < end)
      std::this_thread::yield();
    stopped = stop.stop_requested();
    throw Error(Code::cancelled, "stopped");
  }));
  EXPECT_TRUE(stopped);
}

}  // namespace
}  // namespace dray
