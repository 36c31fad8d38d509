#include "dray/release/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "dray/store/catalog.h"
#include "dray/store/version_log.h"

namespace dray {

namespace {

void add_moves(Store& store, std::string_view name, std::string_view alias,
               std::vector<HistoryEvent>& events, const std::stop_token& stop) {
  UnixTime latest = 0;
  for (const auto& move : alias_history(store, name, alias, stop)) {
    // Clocks of several writers differ; the order is that of the numbers.
    latest = std::max(latest, move.time);
    HistoryEvent event{.time = latest, .alias = move.alias, .version = move.version};
    event.what = move.undoes != 0 ? "rolled back" : move.version.empty() ? "unset" : "moved";
    event.previous = move.previous;
    event.actor = move.actor;
    event.actor_source = move.actor_source;
    event.reason = move.reason;
    event.seq = move.seq;
    events.push_back(std::move(event));
  }
}

std::string change_text(const VersionChange& change, VersionState before) {
  if (change.state != VersionState::live && before != VersionState::removed)
    return std::string(state_name(change.state));
  return "restored";
}

/// The manifest, also of a version that was removed since.
std::optional<Manifest> manifest_of(Store& store, std::string_view name, std::string_view version,
                                    const std::vector<VersionChange>& changes,
                                    const std::stop_token& stop) {
  if (auto manifest = find_manifest(store, name, version, stop)) return manifest;
  for (auto change = changes.rbegin(); change != changes.rend(); ++change)
    if (!change->manifest.empty())
      return parse_manifest(change->manifest, fmt::format("manifest of {}:{}", name, version));
  return std::nullopt;
}

void add_version(Store& store, std::string_view name, const std::string& version,
                 std::vector<HistoryEvent>& events, const std::stop_token& stop) {
  const auto changes = version_history(store, name, version, stop);
  UnixTime latest = 0;
  if (const auto manifest = manifest_of(store, name, version, changes, stop)) {
    latest = manifest->created;
    HistoryEvent event{.time = latest, .what = "released", .version = version};
    event.actor = manifest->created_by;
    event.reason = manifest->origin.revision.empty()
                       ? manifest->origin.uri
                       : fmt::format("{}@{}", manifest->origin.uri, manifest->origin.revision);
    events.push_back(std::move(event));
  }
  VersionState before = VersionState::live;
  for (const auto& change : changes) {
    latest = std::max(latest, change.time);
    HistoryEvent event{.time = latest, .version = version};
    event.what = change_text(change, before);
    event.actor = change.actor;
    event.actor_source = change.actor_source;
    event.reason = change.reason;
    event.seq = change.seq;
    events.push_back(std::move(event));
    before = change.state;
  }
}

}  // namespace

std::vector<HistoryEvent> model_history(Store& store, std::string_view name, std::string_view alias,
                                        const std::stop_token& stop) {
  std::vector<HistoryEvent> events;
  if (!alias.empty()) {
    add_moves(store, name, alias, events, stop);
    return events;
  }
  for (const auto& version : versions_ever(store, name, stop))
    add_version(store, name, version, events, stop);
  for (const auto& each : alias_names(store, name, stop))
    add_moves(store, name, each, events, stop);
  // A version is released before an alias can point to it, also within one second.
  std::ranges::stable_sort(events, {}, [](const HistoryEvent& event) {
    return std::pair(event.time, event.what != "released");
  });
  return events;
}

}  // namespace dray
