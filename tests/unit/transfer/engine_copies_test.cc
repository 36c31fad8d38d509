// Parts whose bytes the store holds already are copied there, whatever is recorded of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dray/base/crc.h"
#include "dray/base/digest.h"
#include "dray/transfer/engine.h"
#include "tests/support/memory_source.h"
#include "tests/support/memory_store.h"
#include "tests/support/random.h"

namespace dray {
namespace {

using test::MemoryCall;
using test::MemorySource;
using test::MemoryStore;
using test::pattern;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::size_t kSize = 10'000;

/// A file that differs from a stored one in its bytes 4000 to 5000.
struct EngineCopies : testing::Test {
  EngineCopies() {
    options.block = 250;
    options.memory = 64 * kMiB;
    options.connections = 4;
    options.uploads = 2;
    options.retry.sleep = [](std::stop_token stop, std::chrono::milliseconds) {
      return !stop.stop_requested();
    };
    store.plant("old", std::string(as_text(old_bytes)));
    std::fill(bytes.begin() + 4000, bytes.begin() + 5000, std::byte{7});
    plan.units = {source.add("w", bytes)};
    object.spec.key = "m/w";
    object.spec.size = kSize;
    object.spec.part_ends = {1000, 2500, 4000, 5000, 7000, kSize};
    object.label = "w";
    object.segments = {SourceSegment{0, {0, kSize}}};
    object.digests = ObjectPlan::Digests::pieces;
    object.piece_ends = {500, 1000, 2500, 4000, 4800, 5000, 7000, 9000, kSize};
  }

  /// What is recorded of the old object.
  void record(const Buffer& of) {
    StoredRanges stored;
    stored.add(*store.stat("old", {}), digest_pieces(of, 0, object.piece_ends));
    object.reusable = std::make_shared<StoredRanges>(std::move(stored));
  }
  ObjectResult run(std::vector<JournalObject> known = {}) {
    plan.objects = {object};
    Engine engine(source, store, options, progress);
    try {
      const auto results = engine.run(plan, known, {});
      EXPECT_EQ(store.content("m/w"), std::string(as_text(bytes)));
      EXPECT_EQ(store.uploads(), 0u);
      EXPECT_EQ(results.at(0).sha256, Sha256::hex_of(bytes));
      EXPECT_EQ(results[0].part_size, 0u);
      EXPECT_THAT(results[0].part_crc64, ElementsAre(crc64nvme(0, bytes)));
      return results[0];
    } catch (...) {
      left = engine.state();
      throw;
    }
  }

  const Buffer old_bytes = pattern(kSize, 1);
  Buffer bytes = old_bytes;
  MemorySource source;
  MemoryStore store{{.part_size = 3000}};
  TransferOptions options;
  Progress progress;
  TransferPlan plan;
  ObjectPlan object;
  std::vector<JournalObject> left;
};

TEST_F(EngineCopies, OnlyWhatChangedIsSent) {
  record(old_bytes);
  const ObjectResult result = run();
  EXPECT_EQ(progress.view().stored, 1000u);
  EXPECT_EQ(progress.view().reused, 9000u);
  EXPECT_EQ(store.count("put"), 1u);
  EXPECT_EQ(store.count("put_copy"), 5u);
  EXPECT_EQ(result.ranges, digest_pieces(bytes, 0, piece_ends(kSize))) << "for the next version";
}

TEST_F(EngineCopies, WhereNothingIsKnownAllIsSent) {
  record(pattern(kSize, 2));
  run();
  EXPECT_EQ(store.count("put_copy"), 0u);
  EXPECT_EQ(progress.view().stored, kSize);
}

TEST_F(EngineCopies, AWrongRecordIsNoticedByTheStoreAndThePartIsSent) {
  record(bytes);  // says that the old object holds the new bytes
  run();
  EXPECT_EQ(store.count("put_copy"), 6u);
  EXPECT_EQ(store.count("put"), 1u);
  EXPECT_EQ(progress.view().stored, 1000u);
}

TEST_F(EngineCopies, AWrongCopyThatShowsOnlyInTheWholeIsSentWhole) {
  record(old_bytes);
  store.fail("commit", 1, Error(Code::verification, "copied other bytes").from(Side::destination));
  store.before([&](const MemoryCall& call) {
    // The store has removed what it made of the upload.
    if (call.verb == "commit" && store.count("commit") == 1) store.forget_uploads();
  });
  run();
  EXPECT_EQ(store.count("begin"), 2u);
  EXPECT_EQ(store.count("put_copy"), 5u) << "none the second time";
  EXPECT_EQ(store.count("put"), 1u + 6u);
}

TEST_F(EngineCopies, BytesThatAreWrongWithoutCopiesTooAreSentTwiceAtMost) {
  for (const int nth : {1, 2})
    store.fail("commit", nth, Error(Code::verification, "other bytes").from(Side::destination));
  EXPECT_THROW(run(), Error);
  EXPECT_EQ(store.count("begin"), 2u);
}

TEST_F(EngineCopies, ASourceThatVanishesIsMadeUpForBySending) {
  record(old_bytes);
  store.remove("old", {});
  run();
  EXPECT_EQ(store.count("put"), 6u);
}

TEST_F(EngineCopies, ALaterRunGoesOn) {
  record(old_bytes);
  options.uploads = 1;
  store.fail("put_copy", 3, Error(Code::auth, "no more").from(Side::destination));
  EXPECT_THROW(run(), Error);
  ASSERT_EQ(left.size(), 1u);
  EXPECT_NE(left[0].upload.cut, 0u);
  const std::size_t kept = left[0].upload.parts.size();
  EXPECT_GE(kept, 1u);
  const std::size_t before = store.count("put_copy") + store.count("put");
  run(left);
  EXPECT_EQ(store.count("begin"), 2u);
  EXPECT_EQ(store.count("put_copy") + store.count("put") - before, 6u - kept);
}

TEST_F(EngineCopies, AnUploadThatWasCutOtherwiseIsAbandoned) {
  record(old_bytes);
  options.uploads = 1;
  store.fail("put_copy", 3, Error(Code::auth, "no more").from(Side::destination));
  EXPECT_THROW(run(), Error);
  object.spec.part_ends = {1000, 2500, 5000, 7000, kSize};
  run(left);
  EXPECT_EQ(store.count("abandon"), 1u);
}

}  // namespace
}  // namespace dray
