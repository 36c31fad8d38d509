// The versions of a model as people look at them: with states and aliases.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "dray/model/manifest.h"
#include "dray/store/store.h"
#include "dray/store/version_log.h"

namespace dray {

struct VersionView {
  Manifest manifest;
  VersionState state = VersionState::live;
  std::vector<std::string> aliases;     // that point to it now
  std::optional<VersionChange> change;  // the last one; nullopt where nothing happened to it
};

/// Sorted by version_less. `removed`: also those that can still be restored.
std::vector<VersionView> versions_of(Store& store, std::string_view name, bool removed,
                                     const std::stop_token& stop);
/// One that is there, by its manifest.
VersionView view_of(Store& store, Manifest manifest, const std::stop_token& stop);

}  // namespace dray
