// Releases and aliases of a store, as recorded in it. The store is the truth: any machine sees the
// same.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/base/time.h"
#include "dray/model/manifest.h"
#include "dray/model/reference.h"
#include "dray/store/store.h"

namespace dray {

/// Throws Code::unsupported if the store was laid out by a later dray
/// (docs/formats/store-layout.md). Stores ask it in their preflight.
void check_store_layout(Store& store, const std::stop_token& stop);

/// The manifest of an exact version; nullopt if there is no such release.
std::optional<Manifest> find_manifest(Store& store, std::string_view name, std::string_view version,
                                      const std::stop_token& stop);
/// Follows an alias, or takes the newest version (version_less) that is not archived for a bare
/// name. Throws
/// Code::not_found, its hint listing what is there or a close name.
Manifest resolve_release(Store& store, const Reference& reference, const std::stop_token& stop);
std::vector<std::string> list_models(Store& store, const std::stop_token& stop);
/// Sorted by version_less.
std::vector<std::string> list_versions(Store& store, std::string_view name,
                                       const std::stop_token& stop);

/// Versions that are there or once were, sorted: a new release takes none of them.
std::vector<std::string> versions_ever(Store& store, std::string_view name,
                                       const std::stop_token& stop);
/// Throws Code::conflict if the version was removed, also if its files are gone since: its name
/// stands for what it was.
void check_not_removed(Store& store, std::string_view name, std::string_view version,
                       const std::stop_token& stop);

/// Last step of a transfer: makes the release exist. True if this call did; false if an equal
/// manifest (same root digest and origin) was there. Another manifest, or a version that was
/// removed, is Code::conflict.
bool publish_manifest(Store& store, const Manifest& manifest, const std::stop_token& stop);

/// One move of an alias. Format: docs/formats/alias-log.md.
struct AliasMove {
  std::uint64_t seq = 0;  // 1, 2, 3 … without gaps
  std::string name, alias;
  std::string version;   // where it points from now on; "" = removed
  std::string previous;  // version before, "" if none
  std::string actor, reason;
  UnixTime time = 0;
  std::string actor_source;  // how the actor is known; "" where it was not recorded
  std::uint64_t undoes = 0;  // the move that this one takes back; 0: none
  std::string id;            // random, so that no two records are alike; "" in older ones
};

/// Who moves, how that is known, and why.
struct MoveNote {
  std::string actor, actor_source, reason;
};

struct MoveResult {
  AliasMove move;         // the last one of the log
  bool appended = false;  // by this call
};

/// One record of the log as text, and back. `what` names the record in errors; a format version
/// newer than this reader's is Code::unsupported, anything else that does not fit is
/// Code::malformed.
std::string alias_move_text(const AliasMove& move);
AliasMove parse_alias_move(std::string_view text, std::string_view what);

/// Appends a move by creating the next sequence number; on a race reads again and appends after the
/// other, so that both are recorded in order. No move is added when the alias already points there
/// (returns the last move).
MoveResult move_alias(Store& store, std::string_view name, std::string_view alias,
                      std::string_view version, const MoveNote& note, const std::stop_token& stop);
AliasMove move_alias(Store& store, std::string_view name, std::string_view alias,
                     std::string_view version, std::string_view actor, std::string_view reason,
                     const std::stop_token& stop);
/// The move that a rollback takes back: the latest that still stands and is no rollback itself;
/// nullptr if there is none. So a rollback after a rollback goes further back.
const AliasMove* move_to_undo(const std::vector<AliasMove>& history);
/// Takes back `undone`, the move_to_undo of `history`: the alias points to where it pointed before
/// it. Only if `history` is still all of the log; else Code::conflict, because what the caller
/// decided on is no longer so.
AliasMove undo_move(Store& store, const std::vector<AliasMove>& history, const AliasMove& undone,
                    const MoveNote& note, const std::stop_token& stop);
/// Where the alias points now: its last move; nullopt if it has never been set.
std::optional<AliasMove> find_alias(Store& store, std::string_view name, std::string_view alias,
                                    const std::stop_token& stop);
/// Oldest first.
std::vector<AliasMove> alias_history(Store& store, std::string_view name, std::string_view alias,
                                     const std::stop_token& stop);
/// All that were ever set, also those that point nowhere now.
std::vector<std::string> alias_names(Store& store, std::string_view name,
                                     const std::stop_token& stop);
/// Aliases of a model with their current version, those that point nowhere left out.
std::vector<AliasMove> list_aliases(Store& store, std::string_view name,
                                    const std::stop_token& stop);

}  // namespace dray
