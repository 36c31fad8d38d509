// What became of a version after it was published: archived, removed, brought back. Format:
// docs/formats/version-log.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/time.h"
#include "dray/model/manifest.h"
#include "dray/store/catalog.h"
#include "dray/store/store.h"

namespace dray {

enum class VersionState {
  live,      // as published; also a version without a log
  archived,  // kept, but not what a bare name means, and no target of an alias
  removed,   // its manifest lies in the record; its data may be purged after a time
  purging,   // its data are being deleted
  purged,    // its data are gone
};
/// "live", "archived" …
std::string_view state_name(VersionState state);

struct VersionChange {
  std::uint64_t seq = 0;  // 1, 2, 3 … without gaps
  std::string name, version;
  VersionState state = VersionState::live;
  std::string actor, actor_source, reason;
  UnixTime time = 0;
  std::string id;  // random, so that no two records are alike
  // Of `removed` only:
  UnixTime purge_after = 0;
  std::string manifest;  // the text of the manifest as it was
  std::string place;     // template of the place where its files lie
  // Not in the record, and of version_changes only: since it was written, by the store's clock.
  std::chrono::seconds age{0};
};

/// One record as text, and back; errors as of parse_alias_move. The manifest in a record of a
/// removal is that of the record's name and version, and its place passes check_place.
std::string version_change_text(const VersionChange& change);
VersionChange parse_version_change(std::string_view text, std::string_view what);

/// Oldest first; empty for a version that nothing happened to.
std::vector<VersionChange> version_history(Store& store, std::string_view name,
                                           std::string_view version, const std::stop_token& stop);
/// The last record; nullopt for a version that nothing happened to.
std::optional<VersionChange> find_version_change(Store& store, std::string_view name,
                                                 std::string_view version,
                                                 const std::stop_token& stop);
/// The last record of every version of a model that has any, by version.
std::map<std::string, VersionChange> version_changes(Store& store, std::string_view name,
                                                     const std::stop_token& stop);
/// Models that have a version with a log, sorted.
std::vector<std::string> models_with_changes(Store& store, const std::stop_token& stop);
/// The record of the removal that a version in one of the states removed, purging or purged is
/// in; Code::malformed if the log holds none.
VersionChange find_removal(Store& store, std::string_view name, std::string_view version,
                           const std::stop_token& stop);

/// Appends `change` as number `after` + 1 (its seq, time and id are filled in) if `after` is still
/// the log's last number; else Code::conflict.
VersionChange append_version_change(Store& store, VersionChange change, std::uint64_t after,
                                    const std::stop_token& stop);

}  // namespace dray
