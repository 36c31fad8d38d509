// Files of earlier versions of dray, brought up to date.
#include "dray/registry/schema.h"

#include <map>

#include "dray/registry/registry.h"
#include "tests/unit/registry/records_fixture.h"

namespace dray {
namespace {

/// As dray 0.1.0 wrote it: version 1 of the schema, with two models of two versions.
constexpr const char* kOldFile = R"sql(
CREATE TABLE registered_model (id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE CHECK (name <> ''), external_id TEXT UNIQUE, description TEXT,
  owner TEXT, state TEXT NOT NULL DEFAULT 'LIVE', created INTEGER NOT NULL,
  updated INTEGER NOT NULL);
CREATE TABLE model_version (id INTEGER PRIMARY KEY AUTOINCREMENT,
  registered_model_id INTEGER NOT NULL REFERENCES registered_model (id) ON DELETE CASCADE,
  name TEXT NOT NULL CHECK (name <> ''), external_id TEXT UNIQUE, description TEXT, author TEXT,
  state TEXT NOT NULL DEFAULT 'LIVE', created INTEGER NOT NULL, updated INTEGER NOT NULL,
  UNIQUE (registered_model_id, name));
CREATE TABLE artifact (id INTEGER PRIMARY KEY AUTOINCREMENT,
  model_version_id INTEGER REFERENCES model_version (id) ON DELETE CASCADE,
  artifact_type TEXT NOT NULL, name TEXT NOT NULL CHECK (name <> ''), external_id TEXT UNIQUE,
  description TEXT, uri TEXT, state TEXT NOT NULL DEFAULT 'UNKNOWN', model_format_name TEXT,
  model_format_version TEXT, storage_key TEXT, storage_path TEXT, service_account_name TEXT,
  model_source_kind TEXT, model_source_class TEXT, model_source_group TEXT, model_source_id TEXT,
  model_source_name TEXT, created INTEGER NOT NULL, updated INTEGER NOT NULL,
  UNIQUE (model_version_id, artifact_type, name));
CREATE TABLE registered_model_property (owner_id INTEGER NOT NULL REFERENCES registered_model (id),
  name TEXT NOT NULL, type TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (owner_id, name))
  WITHOUT ROWID;
CREATE TABLE model_version_property (owner_id INTEGER NOT NULL REFERENCES model_version (id),
  name TEXT NOT NULL, type TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (owner_id, name))
  WITHOUT ROWID;
CREATE TABLE artifact_property (owner_id INTEGER NOT NULL REFERENCES artifact (id),
  name TEXT NOT NULL, type TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (owner_id, name))
  WITHOUT ROWID;
INSERT INTO registered_model (name, description, owner, created, updated) VALUES
  ('granite', 'hf://ibm/granite at c0ffee: 3 files, 1 KiB', 'ibm', 1700000000001, 1700000000002),
  ('llama "7b"', NULL, NULL, 1700000000005, 1700000000005);
INSERT INTO model_version (registered_model_id, name, author, state, created, updated) VALUES
  (1, '1.0.0', 'ibm', 'LIVE', 1700000000003, 1700000000004),
  (2, '1.0.0', NULL, 'ARCHIVED', 1700000000006, 1700000000006),
  (1, '1.1.0', 'ibm', 'LIVE', 1700000000007, 1700000000008);
INSERT INTO artifact (model_version_id, artifact_type, name, uri, state, model_format_name,
  model_source_kind, created, updated) VALUES
  (1, 'model-artifact', 'granite', 's3://b/granite/1.0.0/', 'LIVE', 'safetensors', 'huggingface',
   1700000000003, 1700000000003),
  (3, 'model-artifact', 'granite', 's3://b/granite/1.1.0/', 'LIVE', 'safetensors', NULL,
   1700000000007, 1700000000007);
INSERT INTO model_version_property VALUES
  (1, 'root_digest', 'MetadataStringValue', 'sha256:aa'),
  (1, 'license', 'MetadataStringValue', 'apache-2.0'),
  (3, 'root_digest', 'MetadataStringValue', 'sha256:bb');
PRAGMA application_id = 1685217657;
PRAGMA user_version = 1;
)sql";

class OldFileTest : public testing::Test {
 protected:
  OldFileTest() {
    auto database = sqlite::Database::open(path_);
    database.write_ahead();
    database.execute(kOldFile);
  }
  static Json items(const Page& page) { return Json::parse("[" + page.items + "]"); }

  test::TempFolder folder_;
  std::filesystem::path path_ = folder_.path() / "registry.db";
};

TEST_F(OldFileTest, EverythingIsThereInTheApi) {
  const Records records(path_);
  const Json model = Json::parse(records.find(Kind::registered_model, {.name = "granite"}));
  EXPECT_EQ(model, Json::parse(R"({"id":"1","name":"granite","owner":"ibm","state":"LIVE",
    "description":"hf://ibm/granite at c0ffee: 3 files, 1 KiB","customProperties":{},
    "createTimeSinceEpoch":"1700000000001","lastUpdateTimeSinceEpoch":"1700000000002"})"));
  const Json version =
      Json::parse(records.find(Kind::model_version, {.name = "1.0.0", .parent_id = "1"}));
  EXPECT_EQ(version["registeredModelId"], "1");
  EXPECT_EQ(version["author"], "ibm");
  EXPECT_EQ(version["lastUpdateTimeSinceEpoch"], "1700000000004");
  EXPECT_EQ(version["customProperties"]["license"]["string_value"], "apache-2.0");
  EXPECT_EQ(version["customProperties"]["license"]["metadataType"], "MetadataStringValue");
  const Json artifacts =
      items(records.list(Kind::any_artifact, version["id"].get<std::string>(), {}));
  ASSERT_EQ(artifacts.size(), 1U);
  EXPECT_EQ(artifacts[0]["uri"], "s3://b/granite/1.0.0/");
  EXPECT_EQ(artifacts[0]["artifactType"], "model-artifact");
  EXPECT_EQ(artifacts[0]["modelSourceKind"], "huggingface");
  EXPECT_FALSE(artifacts[0].contains("storageKey"));

  const Json other = Json::parse(records.find(Kind::registered_model, {.name = "llama \"7b\""}));
  EXPECT_FALSE(other.contains("owner"));
  const Json archived =
      items(records.list(Kind::model_version, other["id"].get<std::string>(), {}));
  ASSERT_EQ(archived.size(), 1U);
  EXPECT_EQ(archived[0]["state"], "ARCHIVED");
}

TEST_F(OldFileTest, IdsAreDistinctAndFollowTheOrderOfCreation) {
  Records records(path_);
  std::map<std::int64_t, std::string> by_id;
  for (const Kind kind : {Kind::registered_model, Kind::model_version, Kind::any_artifact})
    for (const Json& item : items(records.list(kind, "", {}))) {
      const std::string id = item["id"].get<std::string>();
      EXPECT_TRUE(by_id.emplace(std::stoll(id), item["name"].get<std::string>()).second) << id;
      EXPECT_EQ(Json::parse(records.get(kind, id)), item);
    }
  EXPECT_EQ(by_id.size(), 7U);
  const auto versions = items(records.list(Kind::model_version, "", {}));
  EXPECT_EQ(versions[2]["name"], "1.1.0");
  const Json next =
      Json::parse(records.create(Kind::registered_model, "", R"({"name":"next"})").document);
  EXPECT_GT(std::stoll(next["id"].get<std::string>()), by_id.rbegin()->first)
      << "ids are not used twice";
}

TEST_F(OldFileTest, FiltersFindWhatWasThere) {
  const Records records(path_);
  const auto found = [&](Kind kind, const char* filter) {
    return records.list(kind, "", {.filter_query = filter}).size;
  };
  EXPECT_EQ(found(Kind::model_version, "license = 'apache-2.0'"), 1);
  EXPECT_EQ(found(Kind::model_version, "registeredModelId = 1"), 2);
  EXPECT_EQ(found(Kind::model_version, "state = 'ARCHIVED'"), 1);
  EXPECT_EQ(found(Kind::registered_model, "owner = 'ibm'"), 1);
  EXPECT_EQ(found(Kind::registered_model, "description LIKE 'hf://%'"), 1);
  EXPECT_EQ(found(Kind::any_artifact, "uri LIKE 's3://%'"), 2);
  EXPECT_EQ(found(Kind::model_artifact, "modelFormatName = 'safetensors'"), 2);
}

TEST_F(OldFileTest, WhatIsMigratedEqualsWhatIsWrittenAnew) {
  // Each document written again, without a change, must give the same rows.
  Records records(path_);
  const auto dump = [&] {
    auto database = sqlite::Database::open(path_);
    sqlite::Statement rows(database,
                           "SELECT owner || ' ' || name || ' ' || custom || ' ' || kind || ' ' || "
                           "type || ' ' || typeof(value) || ' ' || value FROM property "
                           "ORDER BY owner, name, custom");
    std::string out;
    while (rows.step()) out += rows.text(0) + "\n";
    return out;
  };
  const std::string before = dump();
  for (const Kind kind : {Kind::registered_model, Kind::model_version, Kind::model_artifact})
    for (const Json& item : items(records.list(kind, "", {}))) {
      const Json after =
          Json::parse(records.update(kind, item["id"].get<std::string>(), "{}").document);
      Json expected = item;
      expected["lastUpdateTimeSinceEpoch"] = after["lastUpdateTimeSinceEpoch"];
      EXPECT_EQ(after, expected);
    }
  EXPECT_EQ(dump(), before);
}

TEST_F(OldFileTest, ImportGoesOnWithIt) {
  const auto registry = open_registry("sqlite:" + path_.string(), {});
  const auto all = registry->list({});
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].properties.at("root_digest"), "sha256:aa");
  EXPECT_FALSE(registry
                   ->put({.name = "granite",
                          .version = "1.0.0",
                          .uri = "s3://b/granite/1.0.0/",
                          .properties = {{"root_digest", "sha256:aa"}}},
                         {})
                   .changed);
}

}  // namespace
}  // namespace dray
