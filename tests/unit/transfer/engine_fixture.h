// Whole transfers between a source and a store in memory.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "dray/base/crc.h"
#include "dray/base/digest.h"
#include "dray/base/time.h"
#include "dray/transfer/engine.h"
#include "tests/support/memory_source.h"
#include "tests/support/memory_store.h"
#include "tests/support/random.h"

namespace dray::test {

inline constexpr std::uint64_t kPart = 1000;

inline TransferOptions quick() {
  TransferOptions options;
  options.block = 250;
  options.memory = 64 * kMiB;
  options.connections = 6;
  options.uploads = 3;
  options.retry.tries = 5;
  options.retry.sleep = [](std::stop_token stop, std::chrono::milliseconds) {
    return !stop.stop_requested();
  };
  return options;
}

inline Error cut() {
  return Error(Code::network, "connection reset").from(Side::source).transient();
}

/// A transfer of whole files between memories.
struct EngineTest : testing::Test {
  explicit EngineTest(MemoryStoreOptions store_options = {.part_size = kPart})
      : store(store_options) {}

  void add(const std::string& path, std::size_t size, int rank = 0,
           MemorySource::Stated stated = MemorySource::Stated::sha256) {
    ObjectPlan object;
    object.spec.key = "m/" + path;
    object.spec.size = size;
    object.label = path;
    object.rank = rank;
    object.segments = {SourceSegment{plan.units.size(), {0, size}}};
    plan.units.push_back(source().add(path, pattern(size, ++salt), stated));
    plan.objects.push_back(std::move(object));
  }
  MemorySource& source() { return ordered ? in_order_source : random_source; }

  /// An engine that waits for nothing is stopped after a while, so that it fails the test.
  std::vector<ObjectResult> run(std::vector<JournalObject> known = {}) {
    Engine engine(source(), store, options, progress);
    const std::jthread watch([this](const std::stop_token& over) {
      if (wait_for(over, std::chrono::seconds(120))) stop.request_stop();
    });
    try {
      auto results = engine.run(plan, known, stop.get_token());
      left = engine.state();
      return results;
    } catch (...) {
      left = engine.state();
      throw;
    }
  }

  /// Bounded, so that a broken engine fails the test instead of hanging it.
  template <typename Done>
  static void wait_until(Done done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  }

  void expect_complete(const std::vector<ObjectResult>& results) {
    ASSERT_EQ(results.size(), plan.objects.size());
    for (std::size_t i = 0; i < results.size(); ++i) {
      const ObjectPlan& object = plan.objects[i];
      const Buffer& bytes = source().bytes(object.label);
      EXPECT_EQ(results[i].key, object.spec.key);
      EXPECT_EQ(results[i].sha256, Sha256::hex_of(bytes)) << object.label;
      EXPECT_EQ(store.content(object.spec.key), std::string(as_text(bytes))) << object.label;
      ASSERT_EQ(results[i].part_crc64.size(), store.layout(bytes.size()).count());
      for (std::size_t p = 0; p < results[i].part_crc64.size(); ++p) {
        const ByteRange range = store.layout(bytes.size()).part(p);
        EXPECT_EQ(results[i].part_crc64[p],
                  crc64nvme(0, Bytes(bytes).subspan(range.offset, range.length)));
      }
    }
    EXPECT_EQ(store.uploads(), 0u);
    const ProgressView view = progress.view();
    EXPECT_EQ(view.files_done, plan.objects.size());
    EXPECT_TRUE(view.active.empty());
  }

  bool ordered = false;
  MemorySource random_source, in_order_source{false};
  MemoryStore store;
  TransferOptions options = quick();
  Progress progress;
  TransferPlan plan;
  std::stop_source stop;
  std::vector<JournalObject> left;
  std::atomic<int> answered{0};
  std::uint64_t salt = 0;
};

/// Writes every byte twice, inverted: the output is larger, and its order follows the input's.
class Doubling : public Transform {
 public:
  explicit Doubling(std::uint64_t input) : input_(input) {}
  std::uint64_t output_size() const override { return 4 + 2 * input_; }
  std::string identity() const override { return "doubled"; }
  std::string report() const override { return fmt::format(R"({{"doubled":{}}})", input_); }
  void restart() override { begun_ = false; }
  void feed(Bytes input, TransformOutput& output) override {
    begin(output);
    Buffer out;
    for (std::byte b : input) out.insert(out.end(), {~b, b});
    output.write(out);
  }
  void finish(TransformOutput& output) override { begin(output); }
  static std::string of(Bytes input) {
    std::string out = "head";
    for (std::byte b : input) out += {static_cast<char>(~b), static_cast<char>(b)};
    return out;
  }

 private:
  void begin(TransformOutput& output) {
    if (!begun_) output.write(as_bytes("head"));
    begun_ = true;
  }
  std::uint64_t input_;
  bool begun_ = false;
};

struct TransformTest : EngineTest {
  using EngineTest::EngineTest;
  void add_doubled(const std::string& path, std::size_t size) {
    add(path, size);
    ObjectPlan& object = plan.objects.back();
    object.transform = std::make_shared<Doubling>(size);
    object.spec.size = object.transform->output_size();
  }
  void expect_doubled(const std::vector<ObjectResult>& results) {
    for (std::size_t i = 0; i < results.size(); ++i) {
      const std::string expected = Doubling::of(source().bytes(plan.objects[i].label));
      EXPECT_EQ(store.content(results[i].key), expected);
      EXPECT_EQ(results[i].sha256, Sha256::hex_of(as_bytes(expected)));
      EXPECT_EQ(results[i].input_sha256, Sha256::hex_of(source().bytes(plan.objects[i].label)));
      EXPECT_EQ(results[i].report,
                fmt::format(R"({{"doubled":{}}})", plan.objects[i].input_size()));
    }
    EXPECT_EQ(store.uploads(), 0u);
  }
};

}  // namespace dray::test
