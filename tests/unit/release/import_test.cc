#include "dray/release/import.h"

#include <gtest/gtest.h>

#include <atomic>

#include "tests/support/errors.h"
#include "tests/unit/release/release_fixture.h"

namespace dray {
namespace {

struct ImportTest : test::ReleaseFixture {
  Code refused() {
    try {
      import();
    } catch (const Error& error) {
      return error.code();
    }
    return Code::internal;
  }
};

TEST_F(ImportTest, MakesARelease) {
  request.alias = "production";
  request.note.actor = "me";
  const ImportResult result = import();
  EXPECT_TRUE(result.changed);
  EXPECT_EQ(result.manifest.name, "tiny");
  EXPECT_EQ(result.manifest.version, "1.0.0");
  EXPECT_EQ(result.manifest.root_digest, root_digest_of(result.manifest.files));
  EXPECT_EQ(result.manifest.origin.commit, std::string(40, 'a'));
  EXPECT_EQ(result.manifest.find("config.json")->git_sha1.size(), 40u);
  expect_intact(store, source, result.manifest);
  EXPECT_EQ(find_manifest(store, "tiny", "1.0.0", {}), result.manifest);
  EXPECT_EQ(resolve_release(store, {"tiny", "", "production"}, {}).version, "1.0.0");
  EXPECT_EQ(find_alias(store, "tiny", "production", {})->actor, "me");
  EXPECT_EQ(registry.entries.at("tiny:1.0.0").properties.at("root_digest"),
            result.manifest.root_digest);
  EXPECT_TRUE(store.keys(".dray/transfers/").empty());
  EXPECT_EQ(store.uploads(), 0u);
}

TEST_F(ImportTest, TheManifestComesLast) {
  std::vector<std::string> order;
  std::mutex mutex;
  store.after([&](const test::MemoryCall& call) {
    if (call.verb != "commit" && call.verb != "create" && call.verb != "state.create") return;
    std::lock_guard lock(mutex);
    order.push_back(call.key);
  });
  import();
  ASSERT_EQ(order.size(), 8u);
  EXPECT_EQ(order.back(), manifest_key("tiny", "1.0.0"));
  const auto place = [&](const std::string& path) {
    return std::find(order.begin(), order.end(), release_prefix("tiny", "1.0.0") + path) -
           order.begin();
  };
  EXPECT_LT(place("model-00001-of-00002.safetensors"), place("tokenizer.json"));
  EXPECT_LT(place("model-00002-of-00002.safetensors"), place("README.md"));
  EXPECT_LT(place("tokenizer.json"), place("config.json"));
  EXPECT_LT(place("README.md"), place("model.safetensors.index.json"));
}

TEST_F(ImportTest, TheRegistryFollowsTheManifestAndTheAliasFollowsBoth) {
  request.alias = "production";
  int told = 0;
  registry.before_put = [&] {
    ++told;
    EXPECT_TRUE(find_manifest(store, "tiny", "1.0.0", {}).has_value());
    EXPECT_FALSE(find_alias(store, "tiny", "production", {}).has_value());
  };
  import();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(find_alias(store, "tiny", "production", {})->version, "1.0.0");
  EXPECT_EQ(registry.aliases.at("tiny").at("production"), "1.0.0") << "and is shown there";
}

TEST_F(ImportTest, TheLogOfAnAliasTellsWhoMovedItAndHowThatIsKnown) {
  request.alias = "production";
  request.note = {"ann@build", "login", "evaluation passed"};
  import();
  const auto move = find_alias(store, "tiny", "production", {});
  EXPECT_EQ(move->actor, "ann@build");
  EXPECT_EQ(move->actor_source, "login");
  EXPECT_EQ(move->reason, "evaluation passed");
}

TEST_F(ImportTest, AgainIsSuccessWithoutMovingBytes) {
  import();
  const std::size_t writes = store.count("put") + store.count("create") + store.count("state.put");
  const ImportResult again = import();
  EXPECT_FALSE(again.changed);
  EXPECT_EQ(again.manifest.version, "1.0.0");
  EXPECT_EQ(store.count("put") + store.count("create") + store.count("state.put"), writes);
}

TEST_F(ImportTest, AnotherCommitIsTheNextVersionAndKnownContentIsCopied) {
  import();
  source.origin.commit = std::string(40, 'b');
  source.add("model-00002-of-00002.safetensors", test::pattern(900, 3));
  request.transfer.block = 250;
  const ImportResult next = import();
  EXPECT_EQ(next.manifest.version, "1.0.1");
  expect_intact(store, source, next.manifest);
}

TEST_F(ImportTest, LargeKnownContentIsCopiedInsideTheStore) {
  source.add("model-00001-of-00002.safetensors", test::pattern(2 * kMiB, 5));
  request.transfer.block = 64 * kKiB;
  test::MemoryStore big({.part_size = 512 * kKiB});
  request.store = &big;
  import();
  source.origin.commit = std::string(40, 'b');
  const std::uint64_t before = source.bytes_read();
  const ImportResult next = import();
  EXPECT_EQ(big.count("copy"), 1u);
  EXPECT_LT(source.bytes_read() - before, 64 * kKiB);
  expect_intact(big, source, next.manifest);
  EXPECT_EQ(next.manifest.find("model-00001-of-00002.safetensors")->part_crc64.size(), 4u);
}

TEST_F(ImportTest, FilesOfEqualContentMoveOnce) {
  for (const std::string path : {"model-00001-of-00002.safetensors", "consolidated.safetensors"})
    source.add(path, test::pattern(2 * kMiB, 5));
  request.selection.all_files = true;
  request.transfer.block = 64 * kKiB;
  test::MemoryStore big({.part_size = 512 * kKiB});
  request.store = &big;
  Progress progress;
  const ImportPlan plan = plan_import(request, progress, {});
  const ImportResult result = run_import(request, plan, progress, {});
  EXPECT_EQ(big.count("copy"), 1u);
  EXPECT_LT(source.bytes_read(), 2 * kMiB + 64 * kKiB);
  // Known beforehand.
  EXPECT_EQ(plan.bytes_to_fetch, result.stats.fetched);
  EXPECT_EQ(plan.bytes_to_store, result.stats.stored);
  expect_intact(big, source, result.manifest);
  const auto* copied = result.manifest.find("consolidated.safetensors");
  ASSERT_NE(copied, nullptr);
  EXPECT_EQ(copied->part_crc64.size(), 4u);
  EXPECT_EQ(copied->part_crc64,
            result.manifest.find("model-00001-of-00002.safetensors")->part_crc64);
  EXPECT_EQ(copied->etag, big.stat(release_prefix("tiny", "1.0.0") + copied->path, {})->etag);
}

TEST_F(ImportTest, FilesOfEqualContentMoveEachWhereTheStoreDoesNotCopy) {
  for (const std::string path : {"model-00001-of-00002.safetensors", "consolidated.safetensors"})
    source.add(path, test::pattern(2 * kMiB, 5));
  request.selection.all_files = true;
  request.transfer.block = 64 * kKiB;
  test::MemoryStore plain({.part_size = 512 * kKiB, .copy = false});
  request.store = &plain;
  Progress progress;
  const ImportPlan plan = plan_import(request, progress, {});
  EXPECT_GT(plan.bytes_to_fetch, 4 * kMiB);
  EXPECT_EQ(plan.bytes_to_fetch, run_import(request, plan, progress, {}).stats.fetched);
}

TEST_F(ImportTest, ANameThatCannotBeOneSaysHowToChooseAnother) {
  source.name = "my model";
  const Error error = test::error_of([&] { import(); });
  EXPECT_EQ(error.code(), Code::usage);
  EXPECT_NE(error.hint().find("--name"), std::string::npos);
}

TEST_F(ImportTest, AVersionNeverChanges) {
  request.version = "2.0.0";
  import();
  source.origin.commit = std::string(40, 'b');
  source.add("tokenizer.json", Buffer(3), test::MemorySource::Stated::git_sha1);
  EXPECT_EQ(refused(), Code::conflict);
}

TEST_F(ImportTest, ANameKeepsItsOriginAndClashesAreRefused) {
  import();
  source.origin.uri = "hf://other/tiny";
  try {
    import();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::conflict);
    EXPECT_NE(error.hint().find("other--tiny"), std::string::npos) << error.hint();
  }
  request.name = "Tiny";
  EXPECT_EQ(refused(), Code::conflict);
}

TEST_F(ImportTest, WhatAServerCannotLoadIsRefusedUnlessAllowed) {
  request.selection.exclude = {"model-00002*"};
  EXPECT_EQ(refused(), Code::policy);
  request.allows = {"not-servable"};
  EXPECT_EQ(import().manifest.allows, std::vector<std::string>{"not-servable"});
}

TEST_F(ImportTest, ASourceWithoutDigestsIsRefusedUnlessAllowedAndThatIsRecorded) {
  source.add("tokenizer.json", Buffer(3), test::MemorySource::Stated::nothing);
  EXPECT_EQ(refused(), Code::policy);
  request.allows = {"unverified-source"};
  EXPECT_EQ(import().manifest.allows, std::vector<std::string>{"unverified-source"});
}

TEST_F(ImportTest, StrangersFilesAreAConflictAndStayUntouched) {
  const std::string stranger = release_prefix("tiny", "1.0.0") + "notes.txt";
  store.plant(stranger, "mine");
  EXPECT_EQ(refused(), Code::conflict);
  EXPECT_EQ(store.content(stranger), "mine");
  EXPECT_TRUE(store.keys(".dray/").empty()) << "no claim, no journal that gc could act on";
  store.advance(std::chrono::seconds(3600));
  EXPECT_TRUE(collect_garbage(store, true, std::chrono::seconds(60), {}).empty());
  EXPECT_EQ(store.content(stranger), "mine");
}

TEST_F(ImportTest, AnObjectThatAppearsMeanwhileStopsThePublishing) {
  std::atomic<bool> planted = false;
  store.before([&](const test::MemoryCall& call) {
    if (call.verb == "commit" && !planted.exchange(true))
      store.plant(release_prefix("tiny", "1.0.0") + "late.bin", "x");
  });
  EXPECT_EQ(refused(), Code::conflict);
  EXPECT_FALSE(find_manifest(store, "tiny", "1.0.0", {}).has_value());
}

TEST_F(ImportTest, ARegistryThatIsDownLeavesACompleteRelease) {
  registry.down = true;
  const ImportResult result = import();
  ASSERT_TRUE(result.registry_error.has_value());
  EXPECT_EQ(result.registry_error->code(), Code::network);
  expect_intact(store, source, result.manifest);
  registry.down = false;
  EXPECT_TRUE(import().registered->changed) << "the same command registers later";
}

TEST_F(ImportTest, AnOrderedSourceIsImportedInOnePass) {
  test::ModelSource mirror(false);
  fill(mirror);
  request.source = &mirror;
  const ImportResult result = import();
  expect_intact(store, mirror, result.manifest);
}

TEST_F(ImportTest, AStoreThatRefusesIsFoundBeforeAModelByteIsRead) {
  store.fail("preflight", 1, Error(Code::auth, "access denied").from(Side::destination));
  source.before_read = [](const std::string& path, std::uint64_t) {
    EXPECT_FALSE(path.ends_with(".safetensors"));
  };
  EXPECT_EQ(refused(), Code::auth);
  EXPECT_TRUE(store.keys().empty());
}

TEST_F(ImportTest, TooLittleRoomIsFoundBeforeAModelByteIsRead) {
  struct Full : test::MemoryStore {
    using MemoryStore::MemoryStore;
    std::optional<std::uint64_t> free_bytes() override { return 1000; }
  } full({.part_size = 1'000});
  request.store = &full;
  EXPECT_EQ(refused(), Code::storage);
  EXPECT_TRUE(full.keys().empty());
}

TEST_F(ImportTest, AFolderWithTheSameBytesIsTheSameVersion) {
  test::ModelSource folder;
  fill(folder);
  for (const char* path : {"config.json", "tokenizer.json", "tokenizer_config.json", "README.md",
                           "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                           "model.safetensors.index.json"})
    folder.add(path, folder.bytes(path), test::MemorySource::Stated::nothing);
  folder.origin = {"dir", "dir:/models/tiny", "", "", ""};
  request.source = &folder;
  EXPECT_EQ(import().manifest.version, "1.0.0");
  const ImportResult again = import();
  EXPECT_FALSE(again.changed);
  EXPECT_EQ(again.manifest.version, "1.0.0");
  Buffer other = folder.bytes("model-00002-of-00002.safetensors");
  other[7] ^= std::byte{1};
  folder.add("model-00002-of-00002.safetensors", other, test::MemorySource::Stated::nothing);
  EXPECT_EQ(import().manifest.version, "1.0.1") << "the same sizes, another byte";
}

struct CrashTest : ImportTest, testing::WithParamInterface<test::MemoryStoreOptions> {};

INSTANTIATE_TEST_SUITE_P(Stores, CrashTest,
                         testing::Values(test::MemoryStoreOptions{.part_size = 1'000},
                                         test::MemoryStoreOptions{.part_size = 1'000,
                                                                  .uploads_by_key = true}));

/// Dies at every single call to the store in turn: the n-th and all later calls fail, as if the
/// process were gone.
TEST_P(CrashTest, ACrashAtAnyMomentLeavesTheOldStateOrTheNewOne) {
  for (int n = 1;; ++n) {
    test::MemoryStore fresh(GetParam());
    request.store = &fresh;
    request.alias = "production";
    std::atomic<int> calls = 0;
    std::atomic<bool> dead = false;
    fresh.before([&](const test::MemoryCall&) {
      if (++calls >= n) dead = true;
      if (dead) throw Error(Code::internal, "the process is gone");
    });
    bool finished = false;
    try {
      import();
      finished = true;
    } catch (const Error&) {
    }
    fresh.before(nullptr);
    // All or nothing.
    if (const auto manifest = find_manifest(fresh, "tiny", "1.0.0", {}))
      expect_intact(fresh, source, *manifest);
    fresh.advance(std::chrono::seconds(61));
    const ImportResult result = import();
    ASSERT_EQ(result.manifest.version, "1.0.0") << "crash at call " << n;
    expect_intact(fresh, source, result.manifest);
    EXPECT_EQ(fresh.uploads(), 0u) << "crash at call " << n;
    EXPECT_EQ(resolve_release(fresh, {"tiny", "", "production"}, {}).version, "1.0.0");
    collect_garbage(fresh, true, std::chrono::seconds(60), {});
    EXPECT_TRUE(fresh.keys(".dray/transfers/").empty()) << "crash at call " << n;
    expect_intact(fresh, source, result.manifest);
    if (finished || HasFailure()) break;
    ASSERT_LT(n, 500);
  }
}

/// Loses the reply of every call in turn: it was carried out, and the caller cannot know.
TEST_F(ImportTest, AnyLostReplyIsSettled) {
  for (int n = 1;; ++n) {
    test::MemoryStore fresh({.part_size = 1'000});
    request.store = &fresh;
    std::atomic<int> calls = 0;
    std::atomic<bool> lost = false;
    fresh.after([&](const test::MemoryCall& call) {
      const bool counts = call.verb == "put" || call.verb == "commit" || call.verb == "create" ||
                          call.verb == "begin";
      if (counts && ++calls == n) {
        lost = true;
        throw Error(Code::network, "the reply is lost").from(Side::destination).ambiguous();
      }
    });
    const ImportResult result = import();
    expect_intact(fresh, source, result.manifest);
    if (!lost || HasFailure()) break;
    ASSERT_LT(n, 100);
  }
}

}  // namespace
}  // namespace dray
