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

// Step i leads from version i to version i + 1. Steps that were released are never changed.
constexpr std::array kSteps = {kVersion1};

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
  sqlite::Statement tables(database, "SELECT count(*) FROM sqlite_master");
  const bool empty = tables.step() && tables.integer(0) == 0;
  if (!empty && pragma(database, "application_id") != kApplicationId)
    throw Error(Code::conflict, "this database belongs to another program")
        .on("open", address(database))
        .from(Side::registry)
        .hint("name another file; it is made if it does not exist");
}

}  // namespace

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
