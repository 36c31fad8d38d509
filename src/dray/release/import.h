// Import: a snapshot of a source becomes a release in a store.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/model/hf_config.h"
#include "dray/model/manifest.h"
#include "dray/model/selection.h"
#include "dray/registry/registry.h"
#include "dray/release/compress.h"
#include "dray/release/shared_ranges.h"
#include "dray/source/source.h"
#include "dray/store/catalog.h"
#include "dray/store/layout.h"
#include "dray/store/store.h"
#include "dray/transfer/options.h"
#include "dray/transfer/progress.h"

namespace dray {

struct ImportRequest {
  Source* source = nullptr;      // borrowed
  Store* store = nullptr;        // borrowed
  Registry* registry = nullptr;  // borrowed; nullptr = do not register
  std::string name, version;     // "" = defaults (design: References)
  Selection selection;
  std::string alias;                        // "" = none moved
  MoveNote note;                            // who moves it and why
  std::vector<std::string> allows;          // "unverified-source", "not-servable"
  std::optional<CompressOptions> compress;  // quantize the weights on the way
  bool any_origin = false;                  // versions of one name may come from several places
  std::string place{kDefaultTemplate};      // key template
  TransferOptions transfer;
};

/// Where one file's bytes will come from.
struct PlannedFile {
  FileEntry entry;         // of the source
  std::uint64_t size = 0;  // of what is stored
  enum class From {
    source,
    quantized,  // its weights, on the way
    written,    // anew, from what is known beforehand
    store_copy,
    twin,  // of another file of the plan: the store copies it once that is there
    present
  } from = From::source;
  std::string detail;   // "copied from llama:1.0.0", "already there"
  std::string twin_of;  // for twin: that file's path
  ManifestFile known;   // store_copy: what is recorded of it
  StoredObject stored;  // for store_copy: the object to copy; for present: what is there
};

/// Smaller files are sent sooner than copied inside the store.
inline constexpr std::uint64_t kWorthCopying = 1 * kMiB;

/// Everything known before byte 0. Printing it is `--dry-run`.
struct ImportPlan {
  Snapshot snapshot;
  Choice choice;
  /// What the manifest will say of selection and transforms: as asked for, or as of the release
  /// that is copied.
  Selection selection;
  Json transforms = Json::array();
  std::vector<std::string> allows;  // asked for, and those of a release that is copied; sorted
  std::optional<Compression> compression;
  std::optional<Manifest> copied;  // the source is this release, of the store
  std::string copied_store;        // … with this URI
  std::string name, version, uri;  // uri: for serving, ends in '/'
  std::vector<PlannedFile> files;
  std::optional<Manifest> existing;  // the release is already complete
  std::uint64_t bytes_to_fetch = 0, bytes_to_store = 0;
  std::uint64_t bytes_stored_again = 0;  // of bytes_to_store: layers beside the files as they are
  bool has_versions = false;             // the model has others
  std::vector<SharedFile> shared;        // files of earlier versions that ranges may be copied from
  std::uint64_t bytes_shared_at_most = 0;  // of files that are fetched
  HfConfig config;                         // empty fields where there is no config.json
  std::uint64_t gpu_bytes = 0;             // estimate to serve it, 0 if unknown
};

struct ImportResult {
  Manifest manifest;
  std::string uri;
  bool changed = false;  // false: everything was already there
  ProgressView stats;
  std::optional<RegisteredIds> registered;
  std::optional<Error>
      registry_error;  // release complete, registering failed: `dray registry register`
};

/// Metadata only; reads the snapshot, small files and the store's catalogue (and all of a folder
/// that states no digests, where a release looks like it). Throws for what would fail later: not
/// servable (Code::policy unless allowed), no digests (Code::policy), version conflicts, gated
/// files.
ImportPlan plan_import(const ImportRequest& request, Progress& progress,
                       const std::stop_token& stop);

/// Carries the plan out: claim → transfer → manifest → registry → alias. Idempotent; after any
/// interruption the same call goes on where it was.
ImportResult run_import(const ImportRequest& request, const ImportPlan& plan, Progress& progress,
                        const std::stop_token& stop);

}  // namespace dray
