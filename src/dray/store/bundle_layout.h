// Where things lie in a bundle. Format: docs/formats/bundle.md.
#pragma once

#include <string>
#include <string_view>

#include "dray/model/bundle_record.h"
#include "dray/store/layout.h"

namespace dray {

/// The record of a folder or archive; written last.
inline constexpr std::string_view kBundleRecordKey = ".dray/bundle.json";
/// Releases of which files are left out lie below it, where they count as none.
inline constexpr std::string_view kPartialRoot = ".dray/bundle/";

/// "model-data/llama/1.0.0/", or ".dray/bundle/model-data/llama/1.1.0/" where files are left out.
inline std::string bundle_prefix(const BundleRelease& release) {
  const std::string prefix = release_prefix(release.name, release.version);
  return release.whole() ? prefix : std::string(kPartialRoot) + prefix;
}

/// ".dray/releases/llama/1.0.0.json", or ".dray/bundle/releases/llama/1.1.0.json".
inline std::string bundle_manifest_key(const BundleRelease& release) {
  if (release.whole()) return manifest_key(release.name, release.version);
  return std::string(kPartialRoot) + "releases/" + release.name + "/" + release.version + ".json";
}

}  // namespace dray
