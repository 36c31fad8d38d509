// Objects with a transform: fed again where bytes were wrong or a store asks for them.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>

#include "tests/unit/transfer/engine_fixture.h"

namespace dray {
namespace {

using test::Doubling;
using test::kPart;
using test::TransformTest;

TEST_F(TransformTest, OutputIsStoredAsItIsMade) {
  for (const std::size_t size : {0, 1, 250, 498, 499, 20'000})
    add_doubled("f" + std::to_string(size), size);
  expect_doubled(run());
}

TEST_F(TransformTest, AWrongInputByteOnceIsFetchedAgainAndRightPartsStay) {
  add_doubled("a", 10'000);
  std::atomic<bool> done = false;
  source().after_read = [&](const std::string&, std::uint64_t offset, MutableBytes out) {
    if (offset == 2'250 && !done.exchange(true)) out[0] ^= std::byte{1};
  };
  expect_doubled(run());
  EXPECT_LE(store.count("put"), 21u + 2u);
}

struct TransformInOrderTest : TransformTest {
  TransformInOrderTest() : TransformTest({.part_size = kPart, .in_order = true}) {}
};

TEST_F(TransformInOrderTest, RewindRunsTheTransformAgain) {
  add_doubled("a", 10'000);
  store.rewind(9, 2 * kPart);
  expect_doubled(run());
}

/// Calls `before` with what was written so far whenever a piece of the output is about to be.
class WatchedOutput : public TransformOutput {
 public:
  WatchedOutput(TransformOutput& to, std::uint64_t& written,
                const std::function<void(std::uint64_t)>& before)
      : to_(to), written_(written), before_(before) {}
  MutableBytes space() override {
    const MutableBytes out = to_.space();
    before_(written_);
    return out;
  }
  void filled(std::uint64_t bytes) override {
    written_ += bytes;
    to_.filled(bytes);
  }

 private:
  TransformOutput& to_;
  std::uint64_t& written_;
  const std::function<void(std::uint64_t)>& before_;
};

struct WatchedDoubling : Doubling {
  using Doubling::Doubling;
  void feed(Bytes input, TransformOutput& output) override {
    WatchedOutput watched(output, written, before);
    Doubling::feed(input, watched);
  }
  std::uint64_t written = 0;  // over all passes
  std::function<void(std::uint64_t)> before;
};

TEST_F(TransformInOrderTest, RewindWhileTheNextPartIsBeingFilled) {
  add_doubled("a", 10'000);
  auto doubling = std::make_shared<WatchedDoubling>(10'000);
  std::atomic<bool> filling = false;
  doubling->before = [&](std::uint64_t written) {
    // The last piece of part 9 is written after part 8 was refused.
    if (written < 9 * kPart + 500 || filling.exchange(true)) return;
    wait_until([&] { return progress.view().retries > 0; });
  };
  store.before([&](const test::MemoryCall& call) {
    if (call.verb == "put" && call.index == 8) wait_until([&] { return filling.load(); });
  });
  plan.objects[0].transform = doubling;
  store.rewind(9, 2 * kPart);
  expect_doubled(run());
}

}  // namespace
}  // namespace dray
