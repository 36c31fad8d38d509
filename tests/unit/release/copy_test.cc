// Importing a release of another store: what the copy keeps, and what it is called.
#include <gtest/gtest.h>

#include "dray/store/store_sources.h"
#include "tests/support/errors.h"
#include "tests/unit/release/release_fixture.h"

namespace dray {
namespace {

struct CopyTest : test::ReleaseFixture {
  /// A release in another store, "staging", made by an import from the Hub.
  Manifest staged(const std::string& version = "2.1.0") {
    ImportRequest first = request;
    first.store = staging.get();
    first.version = version;
    Progress progress;
    return run_import(first, plan_import(first, progress, {}), progress, {}).manifest;
  }
  /// Imports `reference` of staging into the store.
  ImportResult copy(const std::string& reference) {
    ReleaseSource from(staging, parse_reference(reference), kDefaultTemplate);
    request.source = &from;
    Progress progress;
    plan = plan_import(request, progress, {});
    return run_import(request, plan, progress, {});
  }
  Error refusal(const std::string& reference) {
    return test::error_of([&] { copy(reference); });
  }

  std::shared_ptr<test::MemoryStore> staging = std::make_shared<test::MemoryStore>(
      test::MemoryStoreOptions{.uri = "memory:/staging", .part_size = 1'000});
  ImportPlan plan;
};

TEST_F(CopyTest, IsTheSameReleaseAndSaysWhereItWasCopiedFrom) {
  const Manifest first = staged();
  const ImportResult result = copy("tiny:2.1.0");
  EXPECT_TRUE(result.changed);
  EXPECT_EQ(result.manifest.version, "2.1.0");
  EXPECT_EQ(result.manifest.root_digest, first.root_digest);
  EXPECT_EQ(result.manifest.origin, first.origin);
  EXPECT_EQ(result.manifest.info, first.info);
  const Json& from = result.manifest.lineage.at("copied_from");
  EXPECT_EQ(from.at("store"), "memory:/staging");
  EXPECT_EQ(from.at("version"), "2.1.0");
  EXPECT_EQ(from.at("root_digest"), first.root_digest);
  expect_intact(store, source, result.manifest);
  EXPECT_FALSE(copy("tiny").changed) << "again is success";
}

TEST_F(CopyTest, IsKnownToAnImportOfTheSameCommit) {
  staged();
  copy("tiny");
  request.source = &source;
  const ImportResult again = import();
  EXPECT_FALSE(again.changed);
  EXPECT_EQ(again.manifest.version, "2.1.0");
}

TEST_F(CopyTest, WrongBytesInTheOtherStoreGetNoName) {
  staged();
  const std::string key = release_prefix("tiny", "2.1.0") + "model-00001-of-00002.safetensors";
  std::string bytes = *staging->content(key);
  bytes[17] ^= 1;
  staging->plant(key, bytes);
  EXPECT_EQ(refusal("tiny:2.1.0").code(), Code::verification);
  EXPECT_EQ(find_manifest(store, "tiny", "2.1.0", {}), std::nullopt);
}

TEST_F(CopyTest, ATakenVersionIsAConflictThatNamesTheNextOne) {
  source.origin.commit = std::string(40, 'b');
  request.version = "2.1.0";
  import();
  request.version.clear();
  source.origin.commit = std::string(40, 'a');
  source.add("model-00002-of-00002.safetensors", test::pattern(900, 7));
  staged();
  const Error error = refusal("tiny:2.1.0");
  EXPECT_EQ(error.code(), Code::conflict);
  EXPECT_NE(error.hint().find("--version 2.1.1"), std::string::npos) << error.hint();
  request.version = "2.1.1";
  EXPECT_EQ(copy("tiny:2.1.0").manifest.version, "2.1.1");
}

TEST_F(CopyTest, AllOfItIsTakenAndItsRecordKept) {
  request.selection.all_files = true;
  request.allows = {"not-servable"};
  source.add("pytorch_model.bin", test::pattern(100, 9));
  const Manifest first = staged();
  request.selection = {};
  request.allows = {};
  const ImportResult result = copy("tiny");
  EXPECT_NE(result.manifest.find("pytorch_model.bin"), nullptr);
  EXPECT_TRUE(result.manifest.all_files);
  EXPECT_EQ(result.manifest.allows, first.allows);
  EXPECT_EQ(result.manifest.root_digest, first.root_digest);

  request.selection.exclude = {"pytorch_model.bin"};
  request.name = "narrower";
  const Manifest narrower = copy("tiny").manifest;
  EXPECT_EQ(narrower.find("pytorch_model.bin"), nullptr);
  EXPECT_EQ(narrower.files.size(), first.files.size() - 1);
  EXPECT_EQ(narrower.exclude, request.selection.exclude);
}

TEST_F(CopyTest, VersionsThatWereAdoptedFollowEachOtherUnderOneName) {
  for (const char* version : {"1.0.0", "1.1.0"}) {
    for (const auto& file : source.snapshot({}).files)
      staging->plant(release_prefix("tiny", version) + file.path,
                     std::string(as_text(source.bytes(file.path))));
    Progress progress;
    adopt_release(*staging, "tiny", version, kDefaultTemplate, request.transfer, progress, {});
    source.add("model-00002-of-00002.safetensors", test::pattern(900, 8));
  }
  EXPECT_EQ(copy("tiny:1.0.0").manifest.version, "1.0.0");
  EXPECT_EQ(copy("tiny:1.1.0").manifest.version, "1.1.0");
}

TEST_F(CopyTest, APlainPrefixNeedsTheRuleToBeAllowed) {
  for (const auto& file : source.snapshot({}).files)
    staging->plant(file.path, std::string(as_text(source.bytes(file.path))));
  const auto prefix = prefix_source(staging);
  request.source = prefix.get();
  Progress progress;
  EXPECT_EQ(test::error_of([&] { plan_import(request, progress, {}); }).code(), Code::policy);
  request.allows = {"unverified-source"};
  request.name = "tiny";
  const ImportResult result = import();
  EXPECT_EQ(result.manifest.allows, request.allows);
  EXPECT_EQ(result.manifest.origin.uri, "memory:/staging/");
  expect_intact(store, source, result.manifest);
  EXPECT_FALSE(import().changed) << "read once more, and known by its digests";
}

}  // namespace
}  // namespace dray
