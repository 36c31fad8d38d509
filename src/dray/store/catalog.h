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
/// Follows an alias, or takes the newest version (version_less) for a bare name. Throws
/// Code::not_found, its hint listing what is there or a close name.
Manifest resolve_release(Store& store, const Reference& reference, const std::stop_token& stop);
std::vector<std::string> list_models(Store& store, const std::stop_token& stop);
/// Sorted by version_less.
std::vector<std::string> list_versions(Store& store, std::string_view name,
                                       const std::stop_token& stop);

/// Last step of a transfer: makes the release exist. True if this call did; false if an equal
/// manifest (same root digest and origin) was there. Another manifest is Code::conflict.
bool publish_manifest(Store& store, const Manifest& manifest, const std::stop_token& stop);

/// One move of an alias. Format: docs/formats/alias-log.md.
struct AliasMove {
  std::uint64_t seq = 0;  // 1, 2, 3 … without gaps
  std::string name, alias;
  std::string version;   // where it points from now on; "" = removed
  std::string previous;  // version before, "" if none
  std::string actor, reason;
  UnixTime time = 0;
};

/// One record of the log as text, and back. `what` names the record in errors; a format version
/// newer than this reader's is Code::unsupported, anything else that does not fit is
/// Code::malformed.
std::string alias_move_text(const AliasMove& move);
AliasMove parse_alias_move(std::string_view text, std::string_view what);

/// Appends a move by creating the next sequence number; on a race reads again and appends after the
/// other, so that both are recorded in order. No move is added when the alias already points there
/// (returns the last move).
AliasMove move_alias(Store& store, std::string_view name, std::string_view alias,
                     std::string_view version, std::string_view actor, std::string_view reason,
                     const std::stop_token& stop);
/// Where the alias points now: its last move; nullopt if it has never been set.
std::optional<AliasMove> find_alias(Store& store, std::string_view name, std::string_view alias,
                                    const std::stop_token& stop);
/// Oldest first.
std::vector<AliasMove> alias_history(Store& store, std::string_view name, std::string_view alias,
                                     const std::stop_token& stop);
/// Aliases of a model with their current version, those that point nowhere left out.
std::vector<AliasMove> list_aliases(Store& store, std::string_view name,
                                    const std::stop_token& stop);

}  // namespace dray
