// What the commands on bundles tell in the same words.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "dray/cli/output.h"
#include "dray/model/bundle_record.h"

namespace dray::cli {

/// {"bundle": PATH, "id": …, "releases": […], "files": N, "bytes": N, "left_out": …, "volumes": …}
nlohmann::json bundle_json(const BundleRecord& record, const std::filesystem::path& path);

/// One line a release, then what is left out and where that is.
void print_bundle(Output& out, const BundleRecord& record);

/// "4 files, 12.1 GiB".
std::string files_text(std::uint64_t files, std::uint64_t bytes);

}  // namespace dray::cli
