#include "dray/release/project.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "dray/base/log.h"
#include "dray/store/catalog.h"
#include "dray/store/layout.h"

namespace dray {

namespace {

Registration registration_in(Store& store, const Manifest& manifest, std::string_view place) {
  return registration_of(manifest,
                         store.serving_uri(release_prefix(manifest.name, manifest.version, place)));
}

VersionState state_of(Store& store, std::string_view name, std::string_view version,
                      const std::stop_token& stop) {
  const auto change = find_version_change(store, name, version, stop);
  return change ? change->state : VersionState::live;
}

struct Known {
  Registration registration;
  VersionState state = VersionState::live;
};

/// nullopt, with a warning, for a version whose records do not tell what it was.
std::optional<VersionChange> removal_of(Store& store, std::string_view name,
                                        std::string_view version, const std::stop_token& stop) {
  try {
    return find_removal(store, name, version, stop);
  } catch (const Error& error) {
    if (error.code() != Code::malformed) throw;
    warn("{}:{} is left out: {}", name, version, error.what());
    return std::nullopt;
  }
}

/// All versions of the model that are or were: those that are gone from their removal's record.
std::vector<Known> known_versions(Store& store, std::string_view name, std::string_view place,
                                  const std::stop_token& stop) {
  std::vector<Known> out;
  const auto changes = version_changes(store, name, stop);
  for (const auto& version : versions_ever(store, name, stop)) {
    const auto change = changes.find(version);
    const VersionState state = change == changes.end() ? VersionState::live : change->second.state;
    if (const auto manifest = find_manifest(store, name, version, stop)) {
      out.push_back({registration_in(store, *manifest, place), state});
      continue;
    }
    const auto removal = removal_of(store, name, version, stop);
    if (!removal) continue;
    const Manifest gone =
        parse_manifest(removal->manifest, fmt::format("manifest of {}:{}", name, version));
    out.push_back({registration_in(store, gone, removal->place), VersionState::removed});
  }
  return out;
}

std::vector<std::string> all_models(Store& store, const std::stop_token& stop) {
  const auto live = list_models(store, stop), changed = models_with_changes(store, stop);
  std::set<std::string> names(live.begin(), live.end());
  names.insert(changed.begin(), changed.end());
  return {names.begin(), names.end()};
}

}  // namespace

std::string registry_state(VersionState state) {
  return state == VersionState::live ? "LIVE" : "ARCHIVED";
}

void project_aliases(Store& store, Registry& registry, std::string_view name,
                     const std::stop_token& stop) {
  ModelAliases aliases{.name = std::string(name)};
  for (const auto& move : list_aliases(store, name, stop))
    aliases.versions[move.alias] = move.version;
  registry.project_aliases(aliases, stop);
}

void project_release(Store& store, Registry& registry, const Manifest& manifest,
                     std::string_view place, const std::stop_token& stop) {
  registry.put(registration_in(store, manifest, place), stop);
  registry.set_state(manifest.name, manifest.version,
                     registry_state(state_of(store, manifest.name, manifest.version, stop)), stop);
  project_aliases(store, registry, manifest.name, stop);
}

void project_state(Store& store, Registry& registry, const std::string& name,
                   const std::string& version, const std::stop_token& stop) {
  try {
    registry.set_state(name, version, registry_state(state_of(store, name, version, stop)), stop);
  } catch (const Error& error) {
    if (error.code() != Code::not_found) throw;
  }
}

std::optional<Error> told(const std::function<void()>& project) {
  try {
    project();
    return std::nullopt;
  } catch (...) {
    const Error error = current_error();
    if (error.code() == Code::cancelled) throw error;
    return error;
  }
}

RebuildResult rebuild_registry(Store& store, Registry& registry, std::string_view only,
                               std::string_view place, const std::stop_token& stop) {
  RebuildResult result;
  std::vector<std::string> names;
  if (only.empty())
    names = all_models(store, stop);
  else
    names.emplace_back(only);
  std::vector<Known> all;
  for (const auto& name : names) {
    auto known = known_versions(store, name, place, stop);
    if (!known.empty()) ++result.models;
    std::move(known.begin(), known.end(), std::back_inserter(all));
  }
  // In the order in which they were made, so that ids are too.
  std::stable_sort(all.begin(), all.end(), [](const Known& a, const Known& b) {
    return a.registration.created < b.registration.created;
  });
  std::vector<Registration> registrations;
  for (const auto& version : all) registrations.push_back(version.registration);
  // All at once: where the registry can, readers see the old one or the new one.
  for (const auto& ids : registry.put_all(registrations, stop))
    result.changed += ids.changed ? 1 : 0;
  result.releases = registrations.size();
  std::set<std::string> registered;
  for (const auto& [registration, state] : all) {
    if (registry.set_state(registration.name, registration.version, registry_state(state), stop))
      ++result.changed;
    result.archived += state == VersionState::live ? 0 : 1;
    registered.insert(registration.name);
  }
  for (const auto& name : registered) {
    project_aliases(store, registry, name, stop);
    result.aliases += list_aliases(store, name, stop).size();
  }
  return result;
}

}  // namespace dray
