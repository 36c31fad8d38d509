#include "dray/registry/schema.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>

#include "dray/base/error.h"

namespace dray {

namespace {

// "dray" in ASCII: tells our databases from those of others.
constexpr std::int64_t kApplicationId = 0x64726179;

// The shape follows the resources of Kubeflow's REST API: models, their versions, and the versions'
// artifacts, each with typed properties of the user's own. Times are milliseconds since 1970; text
// that nobody stated is NULL; ids are never used twice.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE registered_model (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE CHECK (name <> ''),
  external_id TEXT UNIQUE,
  description TEXT,
  owner TEXT,
  state TEXT NOT NULL DEFAULT 'LIVE' CHECK (state IN ('LIVE', 'ARCHIVED')),
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL
);
CREATE TABLE model_version (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  registered_model_id INTEGER NOT NULL REFERENCES registered_model (id) ON DELETE CASCADE,
  name TEXT NOT NULL CHECK (name <> ''),
  external_id TEXT UNIQUE,
  description TEXT,
  author TEXT,
  state TEXT NOT NULL DEFAULT 'LIVE' CHECK (state IN ('LIVE', 'ARCHIVED')),
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  UNIQUE (registered_model_id, name)
);
CREATE TABLE artifact (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  model_version_id INTEGER REFERENCES model_version (id) ON DELETE CASCADE,
  artifact_type TEXT NOT NULL,
  name TEXT NOT NULL CHECK (name <> ''),
  external_id TEXT UNIQUE,
  description TEXT,
  uri TEXT,
  state TEXT NOT NULL DEFAULT 'UNKNOWN' CHECK (state IN ('UNKNOWN', 'PENDING', 'LIVE',
    'MARKED_FOR_DELETION', 'DELETED', 'ABANDONED', 'REFERENCE')),
  model_format_name TEXT,
  model_format_version TEXT,
  storage_key TEXT,
  storage_path TEXT,
  service_account_name TEXT,
  model_source_kind TEXT,
  model_source_class TEXT,
  model_source_group TEXT,
  model_source_id TEXT,
  model_source_name TEXT,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  UNIQUE (model_version_id, artifact_type, name)
);
CREATE TABLE registered_model_property (
  owner_id INTEGER NOT NULL REFERENCES registered_model (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (owner_id, name)
) WITHOUT ROWID;
CREATE TABLE model_version_property (
  owner_id INTEGER NOT NULL REFERENCES model_version (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (owner_id, name)
) WITHOUT ROWID;
CREATE TABLE artifact_property (
  owner_id INTEGER NOT NULL REFERENCES artifact (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (owner_id, name)
) WITHOUT ROWID;
PRAGMA application_id = 1685217657;
)sql";

// All resources of the REST API in one table, each with its finished JSON document, so that reading
// is an index look-up and concatenation; and what of them can be searched for in a second one.
// `kind`, `family` and `type` are the numbers of the enumerations Kind, Family and ValueType.
// `parent` is 0 for kinds that have none, and NULL for an artifact of nothing: such names never
// clash. Models keep their ids; versions and artifacts, which had their own sequences, get new
// ones.
constexpr const char* kVersion2 = R"sql(
CREATE TABLE resource (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind INTEGER NOT NULL,
  family INTEGER NOT NULL,
  parent INTEGER,
  name TEXT NOT NULL CHECK (name <> ''),
  external_id TEXT,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  document TEXT NOT NULL
);
CREATE TABLE property (
  owner INTEGER NOT NULL REFERENCES resource (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  custom INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  type INTEGER NOT NULL,
  value NOT NULL,
  PRIMARY KEY (owner, name, custom)
) WITHOUT ROWID;

-- Where each old version and artifact goes.
CREATE TEMP TABLE moved_version AS
  SELECT id AS old, row_number() OVER (ORDER BY created, id) +
    (SELECT coalesce(max(seq), 0) FROM main.sqlite_sequence WHERE name = 'registered_model') AS new
  FROM main.model_version;
CREATE TEMP TABLE moved_artifact AS
  SELECT id AS old, row_number() OVER (ORDER BY created, id) +
    (SELECT coalesce(max(seq), 0) FROM main.sqlite_sequence WHERE name = 'registered_model') +
    (SELECT count(*) FROM main.model_version) AS new
  FROM main.artifact;

-- json_patch leaves out what is NULL.
INSERT INTO resource
  SELECT m.id, 1, 1, 0, m.name, m.external_id, m.created, m.updated,
    json_patch('{}', json_object(
      'createTimeSinceEpoch', CAST(m.created AS TEXT),
      'customProperties', json((SELECT json_group_object(p.name, json_object(
        'metadataType', 'MetadataStringValue', 'string_value', p.value))
        FROM registered_model_property p WHERE p.owner_id = m.id)),
      'description', m.description, 'externalId', m.external_id, 'id', CAST(m.id AS TEXT),
      'lastUpdateTimeSinceEpoch', CAST(m.updated AS TEXT), 'name', m.name, 'owner', m.owner,
      'state', m.state))
  FROM registered_model m ORDER BY m.id;
INSERT INTO resource
  SELECT t.new, 2, 1, v.registered_model_id, v.name, v.external_id, v.created, v.updated,
    json_patch('{}', json_object(
      'author', v.author, 'createTimeSinceEpoch', CAST(v.created AS TEXT),
      'customProperties', json((SELECT json_group_object(p.name, json_object(
        'metadataType', 'MetadataStringValue', 'string_value', p.value))
        FROM model_version_property p WHERE p.owner_id = v.id)),
      'description', v.description, 'externalId', v.external_id, 'id', CAST(t.new AS TEXT),
      'lastUpdateTimeSinceEpoch', CAST(v.updated AS TEXT), 'name', v.name,
      'registeredModelId', CAST(v.registered_model_id AS TEXT), 'state', v.state))
  FROM model_version v JOIN moved_version t ON t.old = v.id ORDER BY t.new;
INSERT INTO resource
  SELECT t.new, 8, 2, w.new, a.name, a.external_id, a.created, a.updated,
    json_patch('{}', json_object(
      'artifactType', a.artifact_type, 'createTimeSinceEpoch', CAST(a.created AS TEXT),
      'customProperties', json('{}'),
      'description', a.description, 'externalId', a.external_id, 'id', CAST(t.new AS TEXT),
      'lastUpdateTimeSinceEpoch', CAST(a.updated AS TEXT),
      'modelFormatName', a.model_format_name, 'modelFormatVersion', a.model_format_version,
      'modelSourceClass', a.model_source_class, 'modelSourceGroup', a.model_source_group,
      'modelSourceId', a.model_source_id, 'modelSourceKind', a.model_source_kind,
      'modelSourceName', a.model_source_name, 'name', a.name,
      'serviceAccountName', a.service_account_name, 'state', a.state,
      'storageKey', a.storage_key, 'storagePath', a.storage_path, 'uri', a.uri))
  FROM artifact a JOIN moved_artifact t ON t.old = a.id
    JOIN moved_version w ON w.old = a.model_version_id
  WHERE a.artifact_type = 'model-artifact' ORDER BY t.new;

-- Fields that are no columns, and custom properties; all were texts but one reference.
INSERT INTO property
  SELECT r.id, f.key, 0, r.kind, 1, f.value FROM resource r, json_each(r.document) f
  WHERE f.type = 'text' AND f.key NOT IN ('id', 'name', 'externalId', 'createTimeSinceEpoch',
    'lastUpdateTimeSinceEpoch', 'registeredModelId', 'artifactType');
INSERT INTO property
  SELECT id, 'registeredModelId', 0, 2, 2, parent FROM resource WHERE kind = 2;
INSERT INTO property
  SELECT owner_id, name, 1, 1, 1, value FROM registered_model_property;
INSERT INTO property
  SELECT t.new, p.name, 1, 2, 1, p.value
  FROM model_version_property p JOIN moved_version t ON t.old = p.owner_id;

-- The history of a metric has the metric's name many times.
CREATE UNIQUE INDEX resource_name
  ON resource (kind, parent, name, CASE kind WHEN 13 THEN id ELSE 0 END);
CREATE UNIQUE INDEX resource_external ON resource (family, external_id)
  WHERE external_id IS NOT NULL;
CREATE INDEX resource_parent ON resource (parent, kind);
CREATE INDEX resource_created ON resource (kind, created);
CREATE INDEX resource_updated ON resource (kind, updated);
CREATE INDEX resource_kind ON resource (kind);
CREATE INDEX property_value ON property (kind, name, type, value);

DROP TABLE temp.moved_version;
DROP TABLE temp.moved_artifact;
DROP TABLE artifact_property;
DROP TABLE model_version_property;
DROP TABLE registered_model_property;
DROP TABLE artifact;
DROP TABLE model_version;
DROP TABLE registered_model;
)sql";

// Step i leads from version i to version i + 1. Steps that were released are never changed.
constexpr std::array kSteps = {kVersion1, kVersion2};

std::int64_t pragma(sqlite::Database& database, const char* name) {
  sqlite::Statement statement(database, fmt::format("PRAGMA {}", name));
  return statement.step() ? statement.integer(0) : 0;
}

std::string address(const sqlite::Database& database) {
  return "sqlite:" + database.path().string();
}

void check_is_ours(sqlite::Database& database, std::int64_t version) {
  if (version > newest_schema())
    throw Error(Code::unsupported,
                fmt::format("schema version {} is newer than {}, the newest this program knows",
                            version, newest_schema()))
        .on("open", address(database))
        .from(Side::registry)
        .hint("use the newer dray that wrote it");
  check_is_registry_or_empty(database);
}

}  // namespace

void check_is_registry(sqlite::Database& database) {
  if (pragma(database, "application_id") != kApplicationId)
    throw Error(Code::malformed, "this is no registry of dray")
        .on("read", address(database))
        .from(Side::registry);
}

void check_is_registry_or_empty(sqlite::Database& database) {
  sqlite::Statement tables(database, "SELECT count(*) FROM sqlite_master");
  const bool empty = tables.step() && tables.integer(0) == 0;
  if (!empty && pragma(database, "application_id") != kApplicationId)
    throw Error(Code::conflict, "this database belongs to another program")
        .on("open", address(database))
        .from(Side::registry)
        .hint("name another file; it is made if it does not exist");
}

int newest_schema() { return static_cast<int>(kSteps.size()); }

void migrate_schema(sqlite::Database& database) {
  check_is_ours(database, pragma(database, "user_version"));
  database.write_ahead();
  while (pragma(database, "user_version") < newest_schema()) {
    sqlite::Transaction transaction(database);
    // Asked again under the write lock: another process may have done the step meanwhile.
    const std::int64_t version = pragma(database, "user_version");
    if (version >= newest_schema()) break;
    check_is_ours(database, version);
    database.execute(kSteps.at(static_cast<std::size_t>(version)));
    database.execute(fmt::format("PRAGMA user_version = {}", version + 1).c_str());
    transaction.commit();
  }
}

}  // namespace dray
