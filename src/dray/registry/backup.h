// Copies of the registry's file, made and put back while it is in use.
#pragma once

#include <filesystem>
#include <stop_token>

#include "dray/registry/database.h"

namespace dray {

/// Throws Code::malformed if the file is damaged.
void check_database(sqlite::Database& database);
/// A consistent copy in `target`, which is replaced when it is complete and on disk.
void backup_database(sqlite::Database& database, const std::filesystem::path& target,
                     const std::stop_token& stop);

}  // namespace dray
