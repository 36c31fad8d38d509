// What the Hub's API says in JSON about a served snapshot.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/json.h"
#include "dray/serve/served_snapshot.h"

namespace dray {

/// Facts of a repository; `with_blobs` adds sizes and digests to its siblings.
Json hub_info(const std::string& id, const ServedSnapshot& served, bool with_blobs);

/// The only branch, "main"; no tags.
Json hub_refs(const ServedSnapshot& served);

/// One file or folder of a listing.
struct HubEntry {
  std::string_view path;             // borrowed from the snapshot
  const ServedFile* file = nullptr;  // of a folder none
};

/// What lies below `folder` ("" = the top), sorted by path: all of it with its folders, or one
/// level. nullopt when there is no such folder.
std::optional<std::vector<HubEntry>> hub_listing(const ServedSnapshot& served,
                                                 std::string_view folder, bool recursive);
/// The entry at `path` if there is one.
std::optional<HubEntry> hub_entry(const ServedSnapshot& served, std::string_view path);
Json hub_entry_json(const HubEntry& entry, const ServedSnapshot& served, bool expand);

}  // namespace dray
