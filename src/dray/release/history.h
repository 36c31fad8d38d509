// What happened to a model: releases, moves of aliases, versions archived, removed and brought
// back.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/time.h"
#include "dray/store/store.h"

namespace dray {

struct HistoryEvent {
  UnixTime time = 0;
  /// "released"; of an alias "moved", "rolled back", "unset"; of a version "archived", "removed",
  /// "restored", "purging", "purged".
  std::string what;
  std::string alias;     // "" for what happened to a version itself
  std::string version;   // where an alias points from then on; "" = nowhere
  std::string previous;  // where it pointed before
  std::string actor, actor_source, reason;
  std::uint64_t seq = 0;  // the record's number in its log; 0 for "released"
};

/// In order of time; within a log, and where times are equal, in the order of the records. `alias`
/// not "": only the moves of that one. Removed versions are told of too. Empty if there is no such
/// model or alias.
std::vector<HistoryEvent> model_history(Store& store, std::string_view name, std::string_view alias,
                                        const std::stop_token& stop);

}  // namespace dray
