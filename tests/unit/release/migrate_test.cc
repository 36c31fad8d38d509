#include "dray/release/migrate.h"

#include <gmock/gmock.h>

#include "tests/support/errors.h"
#include "tests/unit/release/release_fixture.h"

namespace dray {
namespace {

struct MigrateTest : test::ReleaseFixture {
  MigrateTest() {
    migration.rules = {.from = "oci://quay.io/models", .to = "memory:"};
    migration.registry = &registry;
    migration.open_source = [this](const std::string& uri) -> std::unique_ptr<Source> {
      opened.push_back(uri);
      auto model = std::make_unique<test::ModelSource>();
      fill(*model);
      model->origin = {"oci", "oci://quay.io/models/x", "1", "sha256:" + std::string(64, 'a'), ""};
      model->after_read = spoil;
      return model;
    };
    // Borrowed.
    migration.open_store = [this](const std::string&) {
      return std::shared_ptr<Store>(&store, [](Store*) {});
    };
    migration.transfer = request.transfer;
    item.model = item.name = "tiny";
    item.version = item.release_version = "2.0.0";
    item.version_id = "2";
    item.artifact_id = "3";
    item.uri = item.origin = "oci://quay.io/models/x:1";
    item.store = "memory:";
    item.target = store.serving_uri(release_prefix("tiny", "2.0.0"));
  }

  Migrated migrate() {
    Progress progress;
    return migrate_version(migration, item, progress, {});
  }

  MigrateRequest migration;
  MigrateItem item;
  std::vector<std::string> opened;
  std::function<void(const std::string&, std::uint64_t, MutableBytes)> spoil;
};

TEST_F(MigrateTest, CopiesThenMovesTheEntry) {
  const Migrated done = migrate();
  const auto copy = find_manifest(store, "tiny", "2.0.0", {});
  ASSERT_TRUE(copy);
  EXPECT_TRUE(copy->all_files) << "what is registered is taken whole";
  EXPECT_TRUE(copy->allows.empty());
  expect_intact(store, source, *copy);
  ASSERT_EQ(registry.moves.size(), 1U);
  EXPECT_EQ(registry.moves[0].from, "oci://quay.io/models/x:1");
  EXPECT_EQ(registry.moves[0].to, item.target);
  EXPECT_EQ(registry.moves[0].properties.at("root_digest"), copy->root_digest);
  EXPECT_EQ(done.bytes_copied, copy->total_bytes());
  EXPECT_EQ(migrate().bytes_copied, 0U) << "again moves no bytes";
}

TEST_F(MigrateTest, WrongBytesLeaveTheEntryAlone) {
  spoil = [](const std::string& path, std::uint64_t, MutableBytes out) {
    if (path.ends_with(".safetensors") && !out.empty())
      out[0] = std::byte(~std::to_integer<int>(out[0]) & 0xff);
  };
  EXPECT_EQ(test::error_of([&] { migrate(); }).code(), Code::verification);
  EXPECT_TRUE(registry.moves.empty());
  EXPECT_FALSE(find_manifest(store, "tiny", "2.0.0", {}));
}

TEST_F(MigrateTest, ACopyThatIsDamagedLeavesTheEntryAlone) {
  migrate();
  registry.moves.clear();
  store.remove(release_prefix("tiny", "2.0.0") + "config.json", {});
  EXPECT_EQ(test::error_of([&] { migrate(); }).code(), Code::verification);
  EXPECT_TRUE(registry.moves.empty());
}

TEST_F(MigrateTest, VersionsOfOneModelMayComeFromSeveralPlaces) {
  import();  // of hf://org/tiny
  migrate();
  EXPECT_TRUE(find_manifest(store, "tiny", "2.0.0", {}));
}

TEST_F(MigrateTest, SurveyTellsSizesAndWhatIsThere) {
  Progress progress;
  survey(migration, item, progress, {});
  EXPECT_EQ(item.action, MigrateAction::copy);
  ASSERT_TRUE(item.bytes);
  EXPECT_GT(*item.bytes, 5'000U);
  EXPECT_TRUE(registry.moves.empty());
  migrate();
  survey(migration, item, progress, {});
  EXPECT_EQ(item.action, MigrateAction::point);
}

TEST_F(MigrateTest, WhatIsDoneIsLookedUpOnly) {
  migrate();
  opened.clear();
  item.action = MigrateAction::done;
  item.uri = item.target;
  EXPECT_EQ(migrate().bytes_copied, 0U);
  EXPECT_TRUE(opened.empty());
}

TEST_F(MigrateTest, BackOnlyToWhatCanBeRead) {
  item.uri = item.target;
  item.target = "oci://quay.io/models/x:1";
  roll_back_version(migration, item, {});
  ASSERT_EQ(registry.moves.size(), 1U);
  EXPECT_TRUE(registry.moves[0].undo);
  registry.moves.clear();
  migration.open_source = [](const std::string&) -> std::unique_ptr<Source> {
    throw Error(Code::not_found, "gone");
  };
  EXPECT_EQ(test::error_of([&] { roll_back_version(migration, item, {}); }).code(),
            Code::not_found);
  EXPECT_TRUE(registry.moves.empty());
  migration.missing_ok = true;
  roll_back_version(migration, item, {});
  EXPECT_EQ(registry.moves.size(), 1U);
}

}  // namespace
}  // namespace dray
