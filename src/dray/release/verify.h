// Verify: the stored bytes against the manifest. Adopt: bytes without a manifest get one. gc:
// leftovers go.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "dray/model/manifest.h"
#include "dray/store/store.h"
#include "dray/transfer/options.h"
#include "dray/transfer/progress.h"

namespace dray {

struct FileProblem {
  std::string path;
  std::string what;  // "missing", "size 10, manifest says 12", "sha256 …, manifest says …", "not in
                     // the manifest"
};

struct VerifyResult {
  std::uint64_t files = 0, bytes = 0;  // looked at
  std::vector<FileProblem> problems;   // empty = intact
};

/// Full: every byte is read and hashed, files in parallel. `quick`: listing, sizes, ETags and store
/// checksums only.
VerifyResult verify_release(Store& store, const Manifest& manifest, std::string_view place,
                            bool quick, const TransferOptions& options, Progress& progress,
                            const std::stop_token& stop);

struct AdoptResult {
  Manifest manifest;
  bool changed = false;
};

/// Reads and hashes all that lies under the prefix of name/version and writes its manifest; bytes
/// stay where they are. Code::not_found for an empty prefix; an existing manifest that agrees is
/// success, another is Code::conflict.
AdoptResult adopt_release(Store& store, std::string_view name, std::string_view version,
                          std::string_view place, const TransferOptions& options,
                          Progress& progress, const std::stop_token& stop);
/// The releases under the template's root ("model-data/") that have no manifest yet, as (name,
/// version).
std::vector<std::pair<std::string, std::string>> find_adoptable(Store& store,
                                                                std::string_view place,
                                                                const std::stop_token& stop);

struct Leftover {
  std::string transfer;  // its id
  std::string what;      // "unfinished upload of model-data/…", "object …", "journal"
  std::uint64_t bytes = 0;
};

/// Only what a journal with a dead claim names: its uploads, objects it completed without a
/// manifest, the journal. Nothing is removed unless `yes`. Transfers with a live claim are left
/// alone.
std::vector<Leftover> collect_garbage(Store& store, bool yes, std::chrono::seconds claim_ttl,
                                      const std::stop_token& stop);

}  // namespace dray
