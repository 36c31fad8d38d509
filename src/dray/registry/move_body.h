// How an entry says another place, and what it remembers of the old one: the same in every
// registry. Format: docs/formats/moved-entries.md.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "dray/base/json.h"
#include "dray/base/time.h"
#include "dray/registry/registry.h"

namespace dray {

/// The artifact's customProperties: where it was before, for people; and its history, a JSON array.
inline constexpr std::string_view kMovedFrom = "dray.moved_from", kMoves = "dray.moves";
/// Older moves are forgotten.
inline constexpr std::size_t kMostMoves = 20, kMostMovesBytes = 8 << 10;

/// Newest first; empty where there is no history or it cannot be read: others may write there.
std::vector<PlaceMove> read_moves(const Json& artifact);

/// The update of the artifact; nullopt if it has been made. Throws Code::precondition unless the
/// artifact says `move.from` or `move.to`.
std::optional<Json> moved_artifact(const Json& artifact, const ArtifactMove& move, UnixTime now);

/// customProperties of the artifact's version; nullopt if they are right. `main`: the artifact is
/// the one that the version's properties speak of. Throws Code::verification for another root
/// digest.
std::optional<Json> moved_version(const Json& version, const ArtifactMove& move, bool main);

/// After the update was written: throws Code::precondition if it is not what is there.
void check_moved(const Json& artifact, const ArtifactMove& move);

}  // namespace dray
