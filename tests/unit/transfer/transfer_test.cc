// A transfer from its claim to its end: what is looked at before, and what stays behind.
#include "dray/transfer/transfer.h"

#include <gtest/gtest.h>

#include "dray/store/catalog.h"
#include "dray/store/layout.h"
#include "tests/support/errors.h"
#include "tests/unit/transfer/engine_fixture.h"

namespace dray {
namespace {

using test::EngineTest;
using test::kPart;

struct TransferTest : EngineTest {
  TransferTest() {
    options.claim_ttl = std::chrono::seconds(1);  // so the claim is renewed four times a second
    add("a.safetensors", 10'000);
    add("config.json", 300, 1);
  }
  TransferRequest request() {
    TransferRequest out;
    out.source = &source();
    out.store = &store;
    out.progress = &progress;
    out.options = options;
    out.plan = plan;
    out.name = "tiny";
    out.version = "1.0.0";
    out.source_text = "memory";
    out.prefix = "m/";
    return out;
  }
  std::vector<std::string> journals() const {
    return store.keys(transfer_prefix(transfer_id("tiny", "1.0.0")));
  }
  Journal journal() const {
    const auto keys = journals();
    return keys.size() == 1 ? parse_journal(*store.content(keys[0]), "journal") : Journal();
  }
  /// An object as an earlier transfer of this release made it, without a record.
  void leave(const std::string& path, Bytes bytes) {
    ObjectSpec spec;
    spec.key = "m/" + path;
    spec.size = bytes.size();
    spec.metadata = {{kTransferMetadata, transfer_id("tiny", "1.0.0")}};
    store.create(spec, bytes, Sha256::hex_of(bytes), {});
  }
  /// The same, right.
  void leave(const std::string& path) { leave(path, source().bytes(path)); }
};

TEST_F(TransferTest, LeavesObjectsAndNothingElse) {
  {
    Transfer transfer(request(), stop.get_token());
    EXPECT_FALSE(transfer.published().has_value());
    EXPECT_EQ(journal().keys.size(), 2u);
    expect_complete(transfer.run(stop.get_token()));
    EXPECT_EQ(journals().size(), 1u) << "the claim holds until the release is published";
    transfer.finish(stop.get_token());
  }
  EXPECT_TRUE(journals().empty());
}

TEST_F(TransferTest, WhatAnotherWriterPublishedIsToldAndNotTouched) {
  Manifest manifest;
  manifest.name = "tiny";
  manifest.version = "1.0.0";
  manifest.origin = {.kind = "hf", .uri = "hf://org/tiny", .commit = std::string(40, 'a')};
  ManifestFile file;
  file.path = "a.safetensors";
  file.size = 1;
  file.sha256 = std::string(64, '0');
  file.part_crc64 = {1};
  manifest.files.push_back(file);
  manifest.created = 1'700'000'000;
  manifest.created_by = "dray/test";
  manifest.root_digest = root_digest_of(manifest.files);
  publish_manifest(store, manifest, {});
  store.plant("m/a.safetensors", "?");
  Transfer transfer(request(), stop.get_token());
  ASSERT_TRUE(transfer.published().has_value());
  EXPECT_EQ(transfer.published()->root_digest, manifest.root_digest);
  EXPECT_EQ(store.count("list") + store.count("remove") + store.count("abandon"), 0u);
  transfer.finish(stop.get_token());
  EXPECT_TRUE(journals().empty());
}

TEST_F(TransferTest, StrangersObjectsAreAConflictAndTheClaimIsTakenBack) {
  store.plant("m/a.safetensors", "not ours");
  const Error error = test::error_of([&] { Transfer(request(), stop.get_token()); });
  EXPECT_EQ(error.code(), Code::conflict);
  EXPECT_TRUE(journals().empty()) << "nobody waits for it";
  EXPECT_EQ(store.content("m/a.safetensors"), "not ours");
}

TEST_F(TransferTest, WhatLostItsRecordIsReadBackAndRightOnesStay) {
  leave("a.safetensors");
  leave("config.json", as_bytes(std::string(300, 'x')));
  std::atomic<bool> told = false;
  store.before([&](const test::MemoryCall& call) {
    if (call.verb != "read") return;
    const ProgressView view = progress.view();
    if (view.phase == "checking what is there" && view.total_bytes == 10'300 &&
        view.total_files == 2)
      told = true;
  });
  Transfer transfer(request(), stop.get_token());
  EXPECT_TRUE(told) << "it may take long, and says how far it is";
  EXPECT_EQ(source().bytes_read(), 0u);
  progress.begin("transferring", 10'300, 2);
  expect_complete(transfer.run(stop.get_token()));
  EXPECT_EQ(source().bytes_read(), 300u);
}

TEST_F(TransferTest, TheClaimIsRenewedWhileMuchIsReadBack) {
  leave("a.safetensors");
  std::atomic<int> renewed = 0;
  std::atomic<bool> reading = false;
  store.before([&](const test::MemoryCall& call) {
    if (call.verb == "state.put" && reading) ++renewed;
    if (call.verb != "read") return;
    reading = true;
    wait_until([&] { return renewed >= 2; });
  });
  Transfer transfer(request(), stop.get_token());
  EXPECT_GE(renewed, 2);
}

TEST_F(TransferTest, TheClaimIsRenewedAtAPace) {
  options.claim_ttl = std::chrono::seconds(3);
  Transfer transfer(request(), stop.get_token());
  const std::size_t puts = store.count("state.put");
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LE(store.count("state.put"), puts + 10) << "four times in three seconds are enough";
}

TEST_F(TransferTest, TheClaimIsRenewedUntilItIsOver) {
  Transfer transfer(request(), stop.get_token());
  expect_complete(transfer.run(stop.get_token()));
  const std::size_t puts = store.count("state.put");
  wait_until([&] { return store.count("state.put") >= puts + 2; });
  EXPECT_GE(store.count("state.put"), puts + 2) << "publishing may take long too";
  transfer.finish(stop.get_token());
  EXPECT_TRUE(journals().empty());
}

TEST_F(TransferTest, AStopEndsTheReadingBack) {
  leave("a.safetensors");
  store.before([&](const test::MemoryCall& call) {
    if (call.verb == "read") stop.request_stop();
  });
  EXPECT_EQ(test::error_of([&] { Transfer(request(), stop.get_token()); }).code(), Code::cancelled);
  EXPECT_TRUE(journals().empty());
}

TEST_F(TransferTest, AClaimThatIsGoneEndsTheTransferUnsaid) {
  source().before_read = [&](const std::string&, std::uint64_t offset) {
    if (offset != 5'000) return;
    for (const auto& key : journals()) store.state().remove(key, {});  // as who takes it over does
  };
  {
    Transfer transfer(request(), stop.get_token());
    const Error error = test::error_of([&] { transfer.run(stop.get_token()); });
    EXPECT_EQ(error.code(), Code::locked);
  }
  EXPECT_TRUE(journals().empty()) << "it must not claim what is another's now";
}

TEST_F(TransferTest, AnEndBeforeItsTimeLeavesAJournalThatNobodyWaitsFor) {
  source().before_read = [&](const std::string&, std::uint64_t offset) {
    if (offset < 8'000) return;
    wait_until([&] { return answered >= 8 && progress.view().verified >= 8'000; });
    throw Error(Code::gated, "the door closed").from(Side::source);
  };
  store.after([&](const test::MemoryCall& call) { answered += call.verb == "put"; });
  {
    Transfer transfer(request(), stop.get_token());
    EXPECT_EQ(test::error_of([&] { transfer.run(stop.get_token()); }).code(), Code::gated);
  }
  const Journal left_behind = journal();
  EXPECT_TRUE(left_behind.released);
  ASSERT_EQ(left_behind.objects.size(), 1u);
  EXPECT_EQ(left_behind.objects[0].upload.parts.size(), 8u);
  ASSERT_TRUE(left_behind.objects[0].hash.has_value());
  EXPECT_EQ(left_behind.objects[0].hash->offset, 8 * kPart);
  source().before_read = nullptr;
  const std::uint64_t read = source().bytes_read();
  Transfer transfer(request(), stop.get_token());
  EXPECT_EQ(journals().size(), 1u) << "the earlier one is taken over";
  progress.begin("transferring", 10'300, 2);
  expect_complete(transfer.run(stop.get_token()));
  EXPECT_EQ(source().bytes_read() - read, 2'000u + 300u);
  EXPECT_EQ(store.count("put"), 10u);
}

TEST_F(TransferTest, OneThatIsNotFinishedIsReleasedToo) {
  {
    Transfer transfer(request(), stop.get_token());
  }
  EXPECT_TRUE(journal().released);
  EXPECT_EQ(journal().keys.size(), 2u);
}

TEST_F(TransferTest, WhatIsLeftOfAnotherPlanIsRemoved) {
  source().before_read = [&](const std::string&, std::uint64_t offset) {
    if (offset < 8'000) return;
    wait_until([&] { return answered >= 2; });
    throw Error(Code::gated, "the door closed").from(Side::source);
  };
  store.after([&](const test::MemoryCall& call) { answered += call.verb == "put"; });
  {
    Transfer transfer(request(), stop.get_token());
    EXPECT_THROW(transfer.run(stop.get_token()), Error);
  }
  EXPECT_EQ(store.uploads(), 1u);
  source().before_read = nullptr;
  plan.units[0] = source().add("a.safetensors", test::pattern(10'000, 77));
  Transfer transfer(request(), stop.get_token());
  EXPECT_EQ(store.uploads(), 0u);
  progress.begin("transferring", 10'300, 2);
  expect_complete(transfer.run(stop.get_token()));
}

}  // namespace
}  // namespace dray
