// Addresses of what lies inside a store.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "dray/store/store.h"

namespace dray::cli {

struct Location {
  std::string store;  // URI or name; "" = that of the flag, or the default
  /// Name and version, where the location is the folder of one version.
  std::optional<std::pair<std::string, std::string>> release;
};

/// "s3://bucket/a/model-data/llama/1.0.0/" → store "s3://bucket/a", release llama 1.0.0;
/// "s3://bucket/a/model-data/" and "s3://bucket/a" → the store. `place` is the template of --place.
Location read_location(std::string location, const std::string& place);

/// Throws Code::not_found where the store is a folder that does not exist: that nothing was found
/// there would say nothing.
void require_folder(const Store& store);

}  // namespace dray::cli
