// What a registry shows of a store: the releases, where their aliases point, what is archived. The
// store is what counts; a registry that is behind is brought up by doing this again.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "dray/base/error.h"
#include "dray/model/manifest.h"
#include "dray/registry/registry.h"
#include "dray/store/store.h"
#include "dray/store/version_log.h"

namespace dray {

/// "LIVE" for what is live, "ARCHIVED" for what was archived or removed: registries of this kind
/// forget nothing.
std::string registry_state(VersionState state);

/// Registers the release if it is not, sets its state, and shows the model's aliases.
void project_release(Store& store, Registry& registry, const Manifest& manifest,
                     std::string_view place, const std::stop_token& stop);
/// The state of a version that was archived or removed; nothing where it is not registered.
void project_state(Store& store, Registry& registry, const std::string& name,
                   const std::string& version, const std::stop_token& stop);
/// Where all aliases of the model point. Code::not_found if the model is not registered.
void project_aliases(Store& store, Registry& registry, std::string_view name,
                     const std::stop_token& stop);

/// Runs `project` and returns what it threw: the store has changed by then, and a registry that is
/// down does not take that back. A stop goes on.
std::optional<Error> told(const std::function<void()>& project);

struct RebuildResult {
  std::uint64_t models = 0, releases = 0, archived = 0, aliases = 0;
  std::uint64_t changed = 0;  // releases that were not registered, or not so
};

/// Makes the registry show all of the store (or one model, where `only` is not ""): manifests,
/// removed versions too as far as they are known, states and aliases. What the registry holds
/// besides stays. Doing it again changes nothing.
RebuildResult rebuild_registry(Store& store, Registry& registry, std::string_view only,
                               std::string_view place, const std::stop_token& stop);

}  // namespace dray
