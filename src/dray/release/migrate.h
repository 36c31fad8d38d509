// Migrate: the versions of a registry whose artifacts lie in one place are copied to another, and
// their entries follow. How-to: docs/how-to/migrate.md.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/error.h"
#include "dray/model/manifest.h"
#include "dray/registry/registry.h"
#include "dray/source/source.h"
#include "dray/store/catalog.h"
#include "dray/store/layout.h"
#include "dray/store/store.h"
#include "dray/transfer/options.h"
#include "dray/transfer/progress.h"

namespace dray {

/// Which entries of a registry are meant, and where their artifacts are to lie.
struct MigrateRules {
  std::string from;                 // what their URIs begin with: "oci://quay.io/models/"
  std::string to;                   // a store; for images what repositories lie below
  std::vector<std::string> models;  // patterns of model names; empty = all
  /// Names of the destination where they differ: MODEL → NAME, MODEL:VERSION → VERSION.
  std::map<std::string, std::string> renames;
  bool archived = false;  // archived versions too
  std::string place{kDefaultTemplate};
};

enum class MigrateAction {
  copy,   // its bytes, then the entry
  point,  // the entry alone: the destination holds the release already
  done,   // the entry says so already
  skip,   // see `reason`
};
std::string_view action_name(MigrateAction action);

/// One artifact of the registry.
struct MigrateItem {
  std::string model, version;  // as registered
  std::string model_id, version_id, artifact_id;
  bool main = false;                  // the artifact that clients are given
  std::string name, release_version;  // in the destination
  std::string uri;                    // what the entry says
  std::string store, target;          // the destination's store, and what the entry will say
  std::string origin;                 // done: where it was before; else as `uri`
  MigrateAction action = MigrateAction::copy;
  std::string reason, hint;               // of a skip: why, and what would work
  std::optional<Code> failure;            // of a skip that is no choice
  std::optional<std::uint64_t> bytes;     // of the release, once its source was looked at
  std::string storage_key, storage_path;  // rollback: what the artifact had at the old place
  std::string text() const { return model + ":" + version; }
};

/// Whether a URI of a registry lies at or below `place`. "oci+http", "oci+https" and "docker" are
/// as "oci", no scheme is as "oci" where `place` is one; a final '/' and the query that Kubeflow's
/// client adds to s3:// do not count.
bool lies_below(std::string_view uri, std::string_view place);
/// The URI as it is read: with the scheme of `from`, without a query.
std::string readable_uri(std::string_view uri, std::string_view from);
/// The store that holds a model of this name: `to`; for images `to/NAME`, or `to` with `{name}`
/// replaced, in lower case. Code::usage where that is no repository.
std::string destination_store(std::string_view to, const std::string& name);

using TargetOf = std::function<std::string(const std::string& store, const std::string& name,
                                           const std::string& version)>;

/// What is to be done, in the order of the registry; entries that lie elsewhere are left out. Pure
/// but for `target`, which says what serves a release of a store.
std::vector<MigrateItem> plan_migration(const std::vector<RegisteredVersion>& entries,
                                        const MigrateRules& rules, const TargetOf& target);
/// Entries that a migration has moved and nobody since: `uri` is what they say, `target` where they
/// were.
std::vector<MigrateItem> plan_rollback(const std::vector<RegisteredVersion>& entries,
                                       const MigrateRules& rules);

/// A plan as a file, and back; `what` names it in errors. Format: docs/formats/migration-plan.md.
struct MigratePlan {
  std::string registry, from, to;
  bool rollback = false;
  std::vector<MigrateItem> items;
};
std::string plan_text(const MigratePlan& plan);
MigratePlan parse_plan(std::string_view text, std::string_view what);
/// Of a plan that was written earlier what is still so, `now` being the same plan made anew; what
/// has changed is a skip that says so.
std::vector<MigrateItem> still_planned(const std::vector<MigrateItem>& planned,
                                       const std::vector<MigrateItem>& now);

struct MigrateRequest {
  MigrateRules rules;
  Registry* registry = nullptr;  // borrowed
  std::function<std::unique_ptr<Source>(const std::string& uri)> open_source;
  std::function<std::shared_ptr<Store>(const std::string& uri)> open_store;  // to write
  /// A plain prefix of a source, to delete its objects.
  std::function<std::shared_ptr<Store>(const std::string& uri)> open_prefix;
  std::vector<std::string> allows;  // "unverified-source", "not-servable"
  bool missing_ok = false;          // a rollback to what cannot be read
  MoveNote note;                    // who does it
  std::string storage_key;          // of artifacts at an s3:// destination
  TransferOptions transfer;
};

struct Migrated {
  bool changed = false;  // the entry
  std::string root_digest;
  std::uint64_t bytes = 0, bytes_copied = 0;
};

/// Looks at source and destination of a copy: fills in `bytes`, and makes it a `point` where the
/// destination holds the release. Throws what the copy would throw.
void survey(const MigrateRequest& request, MigrateItem& item, Progress& progress,
            const std::stop_token& stop);

/// Copies, verifies, takes aliases along, then moves the entry; each step only if it is not done.
/// Code::precondition, with the entry left alone, if somebody else changed it.
Migrated migrate_version(const MigrateRequest& request, const MigrateItem& item, Progress& progress,
                         const std::stop_token& stop);

/// Points the entry back, if what was there still can be read (or `missing_ok`).
Migrated roll_back_version(const MigrateRequest& request, const MigrateItem& item,
                           const std::stop_token& stop);

struct DeletedSource {
  bool deleted = false;  // false: it is left, or was gone
  std::string what;      // "3 objects", "tag 1.0.0", "it is gone already", why it is left
};

/// Deletes what lies at the origin of an item, if the entry says the new place, the release there
/// is intact, the bytes here are the same and no other of the `entries` (as they are now) says this
/// place. What is left is no error.
DeletedSource delete_source(const MigrateRequest& request, const MigrateItem& item,
                            const std::vector<RegisteredVersion>& entries, Progress& progress,
                            const std::stop_token& stop);

}  // namespace dray
