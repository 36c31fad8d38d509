#include "dray/release/verify.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "dray/release/pull.h"
#include "dray/transfer/claim.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/release/release_fixture.h"

namespace dray {
namespace {

namespace fs = std::filesystem;

struct VerifyTest : test::ReleaseFixture {
  VerifyTest() { manifest = import().manifest; }
  VerifyResult verify(bool quick = false) {
    Progress progress;
    return verify_release(store, manifest, kDefaultTemplate, quick, request.transfer, progress, {});
  }
  std::string key(const std::string& path) { return release_prefix("tiny", "1.0.0") + path; }
  Manifest manifest;
};

TEST_F(VerifyTest, AnIntactReleaseHasNoProblems) {
  EXPECT_TRUE(verify().problems.empty());
  EXPECT_EQ(verify().bytes, manifest.total_bytes());
  EXPECT_TRUE(verify(true).problems.empty());
}

TEST_F(VerifyTest, OneWrongByteIsFound) {
  std::string bytes = *store.content(key("model-00001-of-00002.safetensors"));
  bytes[4'000] ^= 1;
  store.plant(key("model-00001-of-00002.safetensors"), bytes);
  for (const bool quick : {false, true}) {
    const VerifyResult result = verify(quick);
    ASSERT_EQ(result.problems.size(), 1u) << quick;
    EXPECT_EQ(result.problems[0].path, "model-00001-of-00002.safetensors");
  }
}

TEST_F(VerifyTest, MissingShortAndForeignFilesAreFound) {
  store.remove(key("config.json"), {});
  store.plant(key("tokenizer.json"), "{} ");
  store.plant(key("extra.bin"), "x");
  std::map<std::string, std::string> found;
  for (const auto& problem : verify().problems) found[problem.path] = problem.what;
  EXPECT_EQ(found.size(), 3u);
  EXPECT_EQ(found["config.json"], "missing");
  EXPECT_EQ(found["tokenizer.json"], "3 bytes, the manifest says 2");
  EXPECT_EQ(found["extra.bin"], "not in the manifest");
}

struct AdoptTest : test::ReleaseFixture {
  AdoptResult adopt() {
    Progress progress;
    return adopt_release(store, "old", "7", kDefaultTemplate, request.transfer, progress, {});
  }
};

TEST_F(AdoptTest, WhatLiesThereGetsAManifestAndStaysWhereItIs) {
  store.plant("model-data/old/7/config.json", "{}");
  store.plant("model-data/old/7/sub/model.safetensors", std::string(2'500, 'x'));
  store.plant("model-data/old/7/empty", "");
  store.plant("model-data/older/7/other", "not of it");
  EXPECT_EQ(find_adoptable(store, kDefaultTemplate, {}),
            (std::vector<std::pair<std::string, std::string>>{{"old", "7"}, {"older", "7"}}));
  const AdoptResult result = adopt();
  EXPECT_TRUE(result.changed);
  EXPECT_EQ(result.manifest.files.size(), 3u);
  EXPECT_EQ(result.manifest.find("sub/model.safetensors")->sha256,
            Sha256::hex_of(as_bytes(std::string(2'500, 'x'))));
  EXPECT_EQ(store.count("put") + store.count("create") + store.count("remove"), 0u);
  Progress progress;
  EXPECT_TRUE(verify_release(store, result.manifest, kDefaultTemplate, false, request.transfer,
                             progress, {})
                  .problems.empty());
  EXPECT_FALSE(adopt().changed);
  store.plant("model-data/old/7/config.json", "[]");
  EXPECT_THROW(adopt(), Error);
}

TEST_F(AdoptTest, NothingThereIsNotFound) {
  try {
    adopt();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::not_found);
  }
}

struct GarbageTest : test::ReleaseFixture {
  /// An import that dies after so many parts, without last words.
  void die_after(int parts) {
    std::atomic<int> puts = 0;
    std::atomic<bool> dead = false;
    store.after([&](const test::MemoryCall& call) {
      if (call.verb == "put" && ++puts >= parts) dead = true;
      if (dead) throw Error(Code::internal, "the process is gone");
    });
    EXPECT_THROW(import(), Error);
    store.after(nullptr);
  }
};

TEST_F(GarbageTest, LivingTransfersAreLeftAlone) {
  die_after(2);
  EXPECT_TRUE(collect_garbage(store, true, std::chrono::seconds(60), {}).empty());
  EXPECT_EQ(store.uploads(), 1u);
}

TEST_F(GarbageTest, DeadOnesAreShownAndRemovedOnlyWhenTold) {
  die_after(2);
  store.advance(std::chrono::seconds(61));
  EXPECT_FALSE(collect_garbage(store, false, std::chrono::seconds(60), {}).empty());
  EXPECT_EQ(store.uploads(), 1u);
  EXPECT_FALSE(collect_garbage(store, true, std::chrono::seconds(60), {}).empty());
  EXPECT_EQ(store.uploads(), 0u);
  EXPECT_TRUE(store.keys("").empty());
}

TEST_F(GarbageTest, APublishedReleaseIsNeverTouched) {
  const Manifest manifest = import().manifest;
  Journal stale;
  stale.writer = {"w", "h", "", 1, 1};
  stale.name = "tiny";
  stale.version = "1.0.0";
  stale.plan = "p";
  for (const auto& file : manifest.files)
    stale.keys.push_back(release_prefix("tiny", "1.0.0") + file.path);
  store.state().put(journal_key(transfer_id("tiny", "1.0.0"), "w"), to_json_text(stale), {});
  store.advance(std::chrono::seconds(61));
  EXPECT_EQ(collect_garbage(store, true, std::chrono::seconds(60), {}).size(), 1u)
      << "the journal only";
  expect_intact(store, source, manifest);
}

struct PullTest : test::ReleaseFixture {
  PullTest() { manifest = import().manifest; }
  PullResult pull() {
    Progress progress;
    return pull_release(store, manifest, kDefaultTemplate, folder, request.transfer, progress, {});
  }
  void expect_folder() {
    for (const auto& file : manifest.files) {
      std::ifstream in(folder / file.path, std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(in)), {});
      EXPECT_EQ(bytes, as_text(source.bytes(file.path))) << file.path;
    }
    EXPECT_FALSE(fs::exists(folder / ".dray"));
  }
  test::TempFolder temp;
  const fs::path folder = temp.path() / "pulled";
  Manifest manifest;
};

TEST_F(PullTest, WritesAllFilesVerified) {
  EXPECT_EQ(pull().fetched_files, manifest.files.size());
  expect_folder();
}

TEST_F(PullTest, MovesOnlyWhatDiffers) {
  pull();
  std::ofstream(folder / "model-00002-of-00002.safetensors", std::ios::binary)
      << std::string(900, 'x');
  std::ofstream(folder / "tokenizer.json") << "longer than it was";
  std::ofstream(folder / "notes.txt") << "mine";
  const std::size_t reads = store.count("read");
  const PullResult again = pull();
  EXPECT_EQ(again.fetched_files, 2u);
  EXPECT_EQ(again.kept_files, manifest.files.size() - 2);
  EXPECT_LE(store.count("read") - reads, 5u);
  expect_folder();
  EXPECT_TRUE(fs::exists(folder / "notes.txt"));
}

TEST_F(PullTest, WrongStoredBytesNeverGetAName) {
  std::string bytes =
      *store.content(release_prefix("tiny", "1.0.0") + "model-00002-of-00002.safetensors");
  bytes[5] ^= 1;
  store.plant(release_prefix("tiny", "1.0.0") + "model-00002-of-00002.safetensors", bytes);
  EXPECT_THROW(pull(), Error);
  EXPECT_FALSE(fs::exists(folder / "model-00002-of-00002.safetensors"));
}

TEST_F(PullTest, WhatAKilledPullLeftGoesWithTheNextOne) {
  fs::create_directories(folder / ".dray" / "tmp");
  std::ofstream(folder / ".dray" / "tmp" / "s-0123") << "half a file";
  pull();
  expect_folder();
}

TEST_F(PullTest, FilesOfAnotherPullUnderWayStay) {
  const std::string theirs = journal_key(transfer_id("other", "1.0.0"), "w");
  fs::create_directories((folder / theirs).parent_path());
  std::ofstream(folder / theirs) << "{}";
  fs::create_directories(folder / ".dray" / "tmp");
  std::ofstream(folder / ".dray" / "tmp" / "s-0123") << "half a file";
  pull();
  EXPECT_TRUE(fs::exists(folder / ".dray" / "tmp" / "s-0123"));
  EXPECT_TRUE(fs::exists(folder / theirs));
}

TEST_F(PullTest, AStoreIsNoPlaceForAModelsFiles) {
  fs::create_directories(folder / ".dray" / "releases");
  EXPECT_THROW(pull(), Error);
}

}  // namespace
}  // namespace dray
