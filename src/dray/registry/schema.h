// The tables of the embedded registry.
#pragma once

#include "dray/registry/database.h"

namespace dray {

/// Brings the database to the newest version of the schema, one transaction a step; several
/// processes may do so at once. Throws Code::conflict for a database that another program made, and
/// Code::unsupported for a newer version than this program knows.
void migrate_schema(sqlite::Database& database);

/// Throws Code::malformed for a database that is no registry.
void check_is_registry(sqlite::Database& database);
/// Throws Code::conflict for one that another program made.
void check_is_registry_or_empty(sqlite::Database& database);

/// `PRAGMA user_version` of a database that is up to date.
int newest_schema();

}  // namespace dray
