// KServe's connection JSON.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "dray/s3/config.h"

namespace dray::s3 {

/// One entry {"type":"s3","access_key_id":…} or a map of names to entries (objects or their JSON
/// text, as in the secret `storage-config`). A single entry gets the name "". Entries of other
/// types are left out. Code::usage when it cannot be read; the text is never quoted.
std::map<std::string, Settings> parse_storage_config(std::string_view json, std::string_view what);

/// The entry that KServe gives to a container: STORAGE_CONFIG with STORAGE_OVERRIDE_CONFIG laid
/// over it; nullopt if it is not set, of another type, or a map of several entries.
std::optional<Settings> storage_config_of(const Environment& env);

}  // namespace dray::s3
