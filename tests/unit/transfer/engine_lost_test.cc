// A store that loses what was sent of an object: the object begins anew, once.
#include <gtest/gtest.h>

#include "tests/support/errors.h"
#include "tests/unit/transfer/engine_fixture.h"

namespace dray {
namespace {

using test::EngineTest;
using test::MemoryStore;
using test::TransformTest;

/// The store forgets its unfinished uploads right before the `nth` call of `verb`, or every nth.
void forget_at(MemoryStore& store, const std::string& verb, int nth, bool every = false) {
  auto calls = std::make_shared<std::atomic<int>>(0);
  store.before([&store, verb, nth, every, calls](const test::MemoryCall& call) {
    if (call.verb != verb) return;
    const int now = ++*calls;
    if (every ? now % nth == 0 : now == nth) store.forget_uploads();
  });
}

TEST_F(EngineTest, AnUploadLostWhileItIsSentBeginsAnew) {
  add("a", 10'000);
  add("b", 2'500, 1);
  add("config.json", 300, 2);
  forget_at(store, "put", 6);
  expect_complete(run());
  EXPECT_EQ(store.count("begin"), 3u) << "two objects, and one of them twice";
  EXPECT_GE(progress.view().retries, 1u);
}

TEST_F(EngineTest, AnUploadLostBeforeItsLastStepBeginsAnew) {
  add("a", 10'000);
  forget_at(store, "commit", 1);
  expect_complete(run());
  EXPECT_EQ(store.count("begin"), 2u);
  EXPECT_EQ(store.count("put"), 20u) << "none of the parts sent before can be counted on";
}

TEST_F(EngineTest, PartsRefusedTogetherAreOneLoss) {
  add("a", 10'000);
  std::atomic<int> inside = 0;
  store.before([&](const test::MemoryCall& call) {
    if (call.verb != "put") return;
    const int mine = ++inside;
    wait_until([&] { return inside >= 3; });
    if (mine == 3) store.forget_uploads();
    wait_until([&] { return inside > 3 || store.uploads() == 0; });
  });
  expect_complete(run());
  EXPECT_EQ(store.count("begin"), 2u);
}

TEST_F(EngineTest, AStoreThatLosesUploadsAgainAndAgainEndsTheTransfer) {
  add("a", 10'000);
  forget_at(store, "put", 4, true);
  const Error error = test::error_of([&] { run(); });
  EXPECT_EQ(error.code(), Code::not_found);
  EXPECT_EQ(error.side(), Side::destination);
  EXPECT_NE(error.hint().find("twice"), std::string::npos) << error.hint();
  EXPECT_EQ(store.count("begin"), 2u);
  EXPECT_TRUE(store.keys("m/").empty());
}

TEST_F(EngineTest, AnObjectThatTheStoreMadeOfOtherBytesIsSentAnew) {
  add("a", 5'000);
  store.fail("commit", 1, Error(Code::verification, "other bytes").from(Side::destination));
  expect_complete(run());
  EXPECT_EQ(store.count("abandon"), 1u);
  EXPECT_EQ(store.count("begin"), 2u);
}

TEST_F(EngineTest, WhatWasSentOfWrongBytesIsRemoved) {
  add("a", 5'000);
  source().after_read = [](const std::string&, std::uint64_t offset, MutableBytes out) {
    if (offset == 2'250) out[0] ^= std::byte{1};  // every time
  };
  EXPECT_EQ(test::error_of([&] { run(); }).code(), Code::verification);
  EXPECT_EQ(store.uploads(), 0u);
  EXPECT_TRUE(left.empty()) << "a later run would take up wrong bytes";
}

struct LostInOrderTest : EngineTest {
  LostInOrderTest() { ordered = true; }
};

TEST_F(LostInOrderTest, TheSourceIsAskedForTheObjectOnceMore) {
  add("a", 10'000);
  add("b", 3'000);
  forget_at(store, "put", 6);
  expect_complete(run());
  EXPECT_GE(source().passes(), 2u);
  EXPECT_LE(source().passes(), 3u) << "once more for each that was lost, b perhaps too";
}

TEST_F(LostInOrderTest, AlsoBeforeTheLastStep) {
  add("a", 10'000);
  add("b", 3'000, 1);
  forget_at(store, "commit", 1);
  expect_complete(run());
  EXPECT_GE(store.count("begin"), 3u) << "two objects, and at least one of them twice";
}

TEST_F(LostInOrderTest, ASourceThatLeavesOutAFileIsNotAskedForEver) {
  add("a", 1'000);
  add("b", 1'000);
  struct Forgetful : test::MemorySource {
    Forgetful() : MemorySource(false) {}
    std::unique_ptr<OrderedReader> open_ordered(const std::vector<FileEntry>& files,
                                                const std::stop_token& token) override {
      return MemorySource::open_ordered({files[0]}, token);
    }
  } forgetful;
  for (const auto& unit : plan.units) forgetful.add(unit.path, source().bytes(unit.path));
  Engine engine(forgetful, store, options, progress);
  const Error error = test::error_of([&] { engine.run(plan, {}, {}); });
  EXPECT_EQ(error.code(), Code::verification);
  EXPECT_EQ(error.side(), Side::source);
  EXPECT_EQ(forgetful.passes(), 1u);
}

TEST_F(TransformTest, AnUploadLostWhileItIsSentBeginsAnew) {
  add_doubled("a", 10'000);
  forget_at(store, "put", 9);
  expect_doubled(run());
  EXPECT_EQ(store.count("begin"), 2u);
}

TEST_F(TransformTest, AnUploadLostBeforeItsLastStepBeginsAnew) {
  add_doubled("a", 4'000);
  forget_at(store, "commit", 1);
  expect_doubled(run());
  EXPECT_EQ(store.count("begin"), 2u);
}

}  // namespace
}  // namespace dray
