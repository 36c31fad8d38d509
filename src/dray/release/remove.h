// What may become of a version: archived, removed for a time of grace, brought back, purged.
// Format of the records: docs/formats/version-log.md.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/time.h"
#include "dray/model/manifest.h"
#include "dray/model/reference.h"
#include "dray/release/verify.h"
#include "dray/store/catalog.h"
#include "dray/store/layout.h"
#include "dray/store/store.h"
#include "dray/store/version_log.h"

namespace dray {

struct ChangeRequest {
  Store* store = nullptr;  // borrowed
  std::string name, version;
  MoveNote note;
  std::string place{kDefaultTemplate};
  bool dry_run = false;
};

struct ChangeResult {
  Manifest manifest;
  VersionState before = VersionState::live, now = VersionState::live;
  bool changed = false;
  UnixTime purge_after = 0;  // of a removed one
};

/// Puts a version away: kept, but not what a bare name means. Code::conflict while an alias holds
/// it.
ChangeResult archive_release(const ChangeRequest& request, const std::stop_token& stop);

/// Takes the manifest away and records it in the version's log; the files stay where they are until
/// purge_removed() after `grace`. Code::conflict while an alias holds it, and when one was moved to
/// it at the same moment: then the release is there again. Already removed is success.
ChangeResult remove_release(const ChangeRequest& request, std::chrono::seconds grace,
                            const std::stop_token& stop);

/// An archived version is live again; a removed one is there again as it was, its manifest byte for
/// byte. Code::not_found when its files were purged, Code::conflict when they are not all there.
ChangeResult restore_release(const ChangeRequest& request, const std::stop_token& stop);

/// Files of removed versions whose time of grace is over, by `now` and by the store's own clock;
/// deleted if `yes`, then their logs say so. Only keys that the removed manifest names, and of
/// those only objects that have the size and checksum it states. What cannot be read is warned of
/// and left alone.
std::vector<Leftover> purge_removed(Store& store, bool yes, UnixTime now,
                                    const std::stop_token& stop);

}  // namespace dray
