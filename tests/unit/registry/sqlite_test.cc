#include "dray/registry/sqlite.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <atomic>
#include <fstream>
#include <set>
#include <thread>

#include "dray/base/error.h"
#include "dray/registry/records.h"
#include "dray/registry/schema.h"
#include "tests/support/temp_folder.h"

namespace dray {
namespace {

namespace fs = std::filesystem;

class SqliteRegistryTest : public testing::Test {
 protected:
  std::unique_ptr<Registry> open() { return open_registry("sqlite:" + path().string(), {}); }
  fs::path path() const { return folder_.path() / "sub" / "registry.db"; }
  std::int64_t count(Kind kind) {
    auto database = sqlite::Database::open(path());
    sqlite::Statement statement(database, "SELECT count(*) FROM resource WHERE kind = ?");
    statement.bind(static_cast<std::int64_t>(kind));
    return statement.step() ? statement.integer(0) : -1;
  }
  test::TempFolder folder_;
};

Registration granite(const std::string& version = "1.0.0") {
  return {.name = "granite",
          .version = version,
          .uri = "s3://models/model-data/granite/" + version + "/",
          .description = "a model",
          .author = "ibm",
          .source_kind = "huggingface",
          .source_name = "ibm/granite",
          .properties = {{"root_digest", "sha256:aa"}, {"license", "apache-2.0"}}};
}

template <typename F>
Error error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.side(), Side::registry) << e.what();
    return e;
  }
  ADD_FAILURE() << "no error";
  return Error(Code::internal, "none");
}

TEST_F(SqliteRegistryTest, RemembersAfterReopening) {
  RegisteredIds ids;
  {
    auto registry = open();
    ids = registry->put(granite(), {});
    EXPECT_TRUE(ids.changed);
    registry->check({});
  }
  auto registry = open();
  EXPECT_EQ(registry->name(), "sqlite:" + path().string());
  const auto found = registry->find("granite", "1.0.0", {});
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->uri, "s3://models/model-data/granite/1.0.0/");
  EXPECT_EQ(found->state, "LIVE");
  EXPECT_EQ(found->properties, granite().properties);
  EXPECT_EQ(registry->find("granite", "2.0.0", {}), std::nullopt);
  EXPECT_EQ(registry->find("Granite", "1.0.0", {}), std::nullopt) << "names are exact";
  EXPECT_EQ(registry->find("gr_nite", "1.0.0", {}), std::nullopt);
}

TEST_F(SqliteRegistryTest, PuttingAgainChangesNothing) {
  auto registry = open();
  const auto first = registry->put(granite(), {});
  auto same = granite();
  same.description = "told differently";
  same.uri.pop_back();  // older tools leave the final slash off
  const auto second = registry->put(same, {});
  EXPECT_FALSE(second.changed);
  EXPECT_EQ(second.model_id, first.model_id);
  EXPECT_EQ(second.version_id, first.version_id);
  EXPECT_EQ(second.artifact_id, first.artifact_id);
  EXPECT_EQ(count(Kind::model_artifact), 1);
}

TEST_F(SqliteRegistryTest, VersionsShareTheirModel) {
  auto registry = open();
  const auto first = registry->put(granite("1.0.0"), {});
  const auto second = registry->put(granite("1.1.0"), {});
  EXPECT_TRUE(second.changed);
  EXPECT_EQ(first.model_id, second.model_id);
  EXPECT_NE(first.version_id, second.version_id);
  auto other = granite("1.0.0");
  other.name = "llama";
  registry->put(other, {});
  const auto all = registry->list({});
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].name + ":" + all[0].version, "granite:1.0.0");
  EXPECT_EQ(all[1].name + ":" + all[1].version, "granite:1.1.0");
  EXPECT_EQ(all[2].name + ":" + all[2].version, "llama:1.0.0");
  EXPECT_EQ(all[1].properties.at("license"), "apache-2.0");
}

TEST_F(SqliteRegistryTest, OtherContentOrPlaceIsAConflict) {
  auto registry = open();
  registry->put(granite(), {});
  auto other_bytes = granite();
  other_bytes.properties["root_digest"] = "sha256:bb";
  const Error a = error_of([&] { registry->put(other_bytes, {}); });
  EXPECT_EQ(a.code(), Code::conflict);
  EXPECT_NE(a.message().find("sha256:aa"), std::string::npos) << a.message();
  EXPECT_NE(a.message().find("sha256:bb"), std::string::npos) << a.message();
  EXPECT_NE(a.hint().find("--registry none"), std::string::npos) << a.hint();
  auto other_place = granite();
  other_place.uri = "s3://elsewhere/";
  other_place.properties.erase("root_digest");  // whether it is the same is not known
  EXPECT_EQ(error_of([&] { registry->put(other_place, {}); }).code(), Code::conflict);
  EXPECT_EQ(registry->find("granite", "1.0.0", {})->properties.at("root_digest"), "sha256:aa");
}

TEST_F(SqliteRegistryTest, TheSameBytesInASecondStoreAreOneVersionInTwoPlaces) {
  auto registry = open();
  const auto first = registry->put(granite(), {});
  auto second_store = granite();
  second_store.uri = "/srv/store/model-data/granite/1.0.0";
  const auto second = registry->put(second_store, {});
  EXPECT_TRUE(second.changed);
  EXPECT_EQ(second.version_id, first.version_id);
  EXPECT_NE(second.artifact_id, first.artifact_id);
  EXPECT_FALSE(registry->put(second_store, {}).changed) << "each place is recorded once";
  EXPECT_FALSE(registry->put(granite(), {}).changed);
  const auto found = registry->find("granite", "1.0.0", {});
  EXPECT_EQ(found->uri, granite().uri) << "the first one stays what clients are given";
  EXPECT_EQ(found->other_uris, std::vector{second_store.uri});
  EXPECT_EQ(count(Kind::model_artifact), 2);
}

TEST_F(SqliteRegistryTest, ManyRegistrationsAreAllOrNothing) {
  auto registry = open();
  auto clash = granite("1.0.0");
  clash.properties["root_digest"] = "sha256:bb";
  const std::vector bad = {granite("1.0.0"), granite("1.1.0"), clash};
  EXPECT_EQ(error_of([&] { registry->put_all(bad, {}); }).code(), Code::conflict);
  EXPECT_EQ(count(Kind::registered_model), 0);
  const std::vector good = {granite("1.0.0"), granite("1.1.0"), granite("1.0.0")};
  const auto ids = registry->put_all(good, {});
  ASSERT_EQ(ids.size(), 3U);
  EXPECT_TRUE(ids[1].changed);
  EXPECT_FALSE(ids[2].changed);
  EXPECT_EQ(ids[2].version_id, ids[0].version_id);
}

TEST_F(SqliteRegistryTest, AliasesAreShownOnModelAndVersions) {
  auto registry = open();
  registry->put(granite("1.0.0"), {});
  registry->put(granite("1.1.0"), {});
  const auto properties = [&](const char* version) {
    return registry->find("granite", version, {})->properties;
  };
  EXPECT_TRUE(registry->project_aliases(
      {"granite", {{"production", "1.0.0"}, {"latest", "1.1.0"}, {"gone", "9.9.9"}}}, {}));
  EXPECT_EQ(properties("1.0.0").at("@production"), "") << "an empty string is shown as a label";
  EXPECT_EQ(properties("1.0.0").at("license"), "apache-2.0") << "others stay";
  EXPECT_TRUE(properties("1.1.0").contains("@latest"));

  const ModelAliases moved = {"granite", {{"production", "1.1.0"}}};
  EXPECT_TRUE(registry->project_aliases(moved, {}));
  EXPECT_FALSE(registry->project_aliases(moved, {})) << "nothing to change";
  EXPECT_FALSE(properties("1.0.0").contains("@production"));
  EXPECT_FALSE(properties("1.1.0").contains("@latest"));
  EXPECT_TRUE(properties("1.1.0").contains("@production"));
  const std::string model = Records(path()).find(Kind::registered_model, {.name = "granite"});
  EXPECT_NE(model.find(R"("alias.production":{"metadataType":"MetadataStringValue",)"
                       R"("string_value":"1.1.0"})"),
            std::string::npos)
      << model;
  EXPECT_EQ(model.find("alias.latest"), std::string::npos) << model;
  EXPECT_EQ(error_of([&] { registry->project_aliases({"none", {}}, {}); }).code(), Code::not_found);
}

TEST_F(SqliteRegistryTest, VersionsAreArchivedAndRestored) {
  auto registry = open();
  registry->put(granite(), {});
  EXPECT_TRUE(registry->set_state("granite", "1.0.0", "ARCHIVED", {}));
  EXPECT_FALSE(registry->set_state("granite", "1.0.0", "ARCHIVED", {}));
  EXPECT_EQ(registry->find("granite", "1.0.0", {})->state, "ARCHIVED");
  EXPECT_TRUE(registry->set_state("granite", "1.0.0", "LIVE", {}));
  EXPECT_EQ(error_of([&] { registry->set_state("granite", "2", "LIVE", {}); }).code(),
            Code::not_found);
}

TEST_F(SqliteRegistryTest, AFailedPutLeavesNothing) {
  auto registry = open();
  auto nameless = granite();
  nameless.version = "";  // refused after the model was inserted
  EXPECT_EQ(error_of([&] { registry->put(nameless, {}); }).code(), Code::precondition);
  EXPECT_EQ(count(Kind::registered_model), 0);
  EXPECT_TRUE(registry->put(granite(), {}).changed) << "the transaction is over";
}

TEST_F(SqliteRegistryTest, CompletesAVersionWithoutArtifact) {
  auto registry = open();
  registry->put(granite(), {});
  {
    auto database = sqlite::Database::open(path());
    database.execute("DELETE FROM resource WHERE kind = 8");
  }
  EXPECT_EQ(registry->find("granite", "1.0.0", {})->uri, "");
  EXPECT_TRUE(registry->put(granite(), {}).changed);
  EXPECT_EQ(registry->find("granite", "1.0.0", {})->uri, granite().uri);
}

TEST_F(SqliteRegistryTest, ConcurrentPutsFromSeveralConnectionsAgree) {
  constexpr int kThreads = 4, kVersions = 8;
  std::atomic<int> changes = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&] {
        try {
          auto registry = open();  // its own connection, the schema made by whoever is first
          for (int v = 0; v < kVersions; ++v)
            changes += registry->put(granite("1.0." + std::to_string(v)), {}).changed ? 1 : 0;
        } catch (const Error& e) {
          ADD_FAILURE() << e.what();
        }
      });
  }
  EXPECT_EQ(changes, kVersions) << "each version was registered by exactly one";
  EXPECT_EQ(count(Kind::registered_model), 1);
  EXPECT_EQ(count(Kind::model_version), kVersions);
  EXPECT_EQ(count(Kind::model_artifact), kVersions);
}

TEST_F(SqliteRegistryTest, OneObjectServesManyThreads) {
  auto registry = open();
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        try {
          for (int v = 0; v < 5; ++v) {
            registry->put(granite(std::to_string(t) + "." + std::to_string(v)), {});
            registry->list({});
          }
        } catch (const Error& e) {
          ADD_FAILURE() << e.what();
        }
      });
  }
  EXPECT_EQ(registry->list({}).size(), 20U);
}

TEST_F(SqliteRegistryTest, AWaitForALockEndsWhenStopped) {
  auto registry = open();
  auto other = sqlite::Database::open(path());
  const sqlite::Transaction held(other);
  std::stop_source stop;
  std::jthread stopper([&stop] { stop.request_stop(); });
  try {
    registry->put(granite(), stop.get_token());
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::cancelled);
  }
}

TEST_F(SqliteRegistryTest, AnEmptyFileIsVersionZero) {
  fs::create_directories(path().parent_path());
  std::ofstream(path()).close();
  EXPECT_TRUE(open()->put(granite(), {}).changed);
  auto database = sqlite::Database::open(path());
  sqlite::Statement version(database, "PRAGMA user_version");
  ASSERT_TRUE(version.step());
  EXPECT_EQ(version.integer(0), newest_schema());
}

TEST_F(SqliteRegistryTest, ADatabaseOfAnotherProgramIsLeftAlone) {
  {
    auto database = sqlite::Database::open(path());
    database.execute("CREATE TABLE theirs (x)");
  }
  EXPECT_EQ(error_of([&] { open(); }).code(), Code::conflict);
  auto database = sqlite::Database::open(path());
  sqlite::Statement tables(database, "SELECT count(*) FROM sqlite_master");
  ASSERT_TRUE(tables.step());
  EXPECT_EQ(tables.integer(0), 1);
  sqlite::Statement mode(database, "PRAGMA journal_mode");
  ASSERT_TRUE(mode.step());
  EXPECT_NE(mode.text(0), "wal");
}

TEST_F(SqliteRegistryTest, ANewerSchemaIsRefused) {
  open();
  {
    auto database = sqlite::Database::open(path());
    database.execute("PRAGMA user_version = 99");
  }
  const Error error = error_of([&] { open(); });
  EXPECT_EQ(error.code(), Code::unsupported);
  EXPECT_NE(error.hint(), "");
}

TEST_F(SqliteRegistryTest, WhatIsNoDatabaseIsSaidSo) {
  fs::create_directories(path().parent_path());
  std::ofstream(path()) << std::string(4096, 'x');
  EXPECT_EQ(error_of([&] { open(); }).code(), Code::malformed);
  EXPECT_EQ(error_of([&] { open_registry("sqlite:" + folder_.path().string(), {}); }).code(),
            Code::storage);
  EXPECT_EQ(error_of([&] { open_registry("sqlite:", {}); }).code(), Code::usage);
  std::ofstream(folder_.path() / "file") << "x";
  EXPECT_EQ(error_of([&] {
              open_registry("sqlite:" + (folder_.path() / "file/x.db").string(), {});
            }).code(),
            Code::storage);
}

TEST_F(SqliteRegistryTest, WritesAheadAndKeepsReferences) {
  open();
  auto database = sqlite::Database::open(path());
  sqlite::Statement mode(database, "PRAGMA journal_mode");
  ASSERT_TRUE(mode.step());
  EXPECT_EQ(mode.text(0), "wal");
  EXPECT_EQ(error_of([&] {
              database.execute(
                  "INSERT INTO property (owner, name, custom, kind, type, value) "
                  "VALUES (42, 'x', 0, 1, 1, '')");
            }).code(),
            Code::conflict);
}

TEST_F(SqliteRegistryTest, TextIsStoredAsItIs) {
  auto registry = open();
  auto odd = granite("1'; DROP TABLE artifact; --");
  odd.properties["note"] = std::string("a\0b", 3) + "é\n";
  registry->put(odd, {});
  EXPECT_EQ(registry->find("granite", odd.version, {})->properties, odd.properties);
}

}  // namespace
}  // namespace dray
