// Pull: a release back to a folder, verified; only what differs from what is there moves.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>

#include "dray/model/manifest.h"
#include "dray/source/source.h"
#include "dray/store/store.h"
#include "dray/transfer/options.h"
#include "dray/transfer/progress.h"

namespace dray {

struct PullResult {
  std::uint64_t fetched_bytes = 0, kept_bytes = 0, fetched_files = 0, kept_files = 0;
};

/// Files go to `folder`/path under a temporary name and get their own after their SHA-256 is
/// proved; an interrupted pull goes on from what the temporary files hold. Files that are already
/// right are kept, older ones stay until they are replaced; other files of the folder are left
/// alone.
PullResult pull_release(Store& store, const Manifest& manifest, std::string_view place,
                        const std::filesystem::path& folder, const TransferOptions& options,
                        Progress& progress, const std::stop_token& stop);

/// The same with what a source holds that is no release: `wanted` is its snapshot, `name` and
/// `version` are for messages and the journal. Files that state no SHA-256 are never kept.
PullResult pull_files(Source& source, const Snapshot& wanted, const std::string& name,
                      const std::string& version, const std::filesystem::path& folder,
                      const TransferOptions& options, Progress& progress,
                      const std::stop_token& stop);

}  // namespace dray
