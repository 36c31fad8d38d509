// The embedded registry: a SQLite file.
#pragma once

#include <filesystem>
#include <memory>

#include "dray/registry/registry.h"

namespace dray {

/// Opens the file, making it and its folders if absent, and brings its schema up to date. Several
/// processes may use one file.
std::unique_ptr<Registry> open_sqlite_registry(const std::filesystem::path& path);

}  // namespace dray
