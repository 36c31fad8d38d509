// What a new version of a model shares with earlier ones inside large files. Such ranges are copied
// inside the store, not sent. Format of the records: docs/formats/range-digests.md.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "dray/model/manifest.h"
#include "dray/model/range_digests.h"
#include "dray/source/source.h"
#include "dray/store/store.h"
#include "dray/transfer/options.h"
#include "dray/transfer/plan.h"
#include "dray/transfer/progress.h"

namespace dray {

/// Of smaller files, nothing is recorded and no ranges are copied.
inline constexpr std::uint64_t kWorthSharing = 32 * kMiB;

/// A file of an earlier version, and what is known of its pieces.
struct SharedFile {
  std::string release;  // "llama:1.0.0"
  StoredObject object;  // as its manifest says
  FileRanges ranges;    // without any: to be found out by read_ranges()
};

/// Large files of the newest few of `versions` (sorted, oldest first) of one model: those that a
/// record tells of, and of the newest version those that one of `files` is to follow under the same
/// path. A record that is damaged, or tells of other files than the manifest, is none.
std::vector<SharedFile> shared_files(Store& store, const std::vector<Manifest>& versions,
                                     const std::vector<FileEntry>& files, std::string_view place,
                                     const std::stop_token& stop);

/// The same, with the digests of those files of which nothing is recorded, which are read for that.
/// Files that cannot be read or are not as recorded are left out with a warning.
std::vector<SharedFile> read_ranges(Store& store, std::vector<SharedFile> files,
                                    const TransferOptions& options, Progress& progress,
                                    const std::stop_token& stop);

/// Cuts the objects of a plan whose bytes may lie in these files, so that their parts can be copied
/// from there. Reads headers of safetensors files; may ask an endpoint how it copies.
void share_ranges(TransferPlan& plan, Source& source, Store& store,
                  const std::vector<SharedFile>& files, const std::stop_token& stop);

/// Asks for the digests of what a later version may share. That takes as much time as verifying
/// does, so a model's first version goes without: most have no other.
void digest_ranges(ObjectPlan& object);

/// Records what the transfer found out. A failure is told and costs a later version its savings,
/// nothing else.
void save_range_record(Store& store, const Manifest& manifest,
                       const std::vector<ObjectResult>& objects,
                       const std::vector<SharedFile>& files, const std::stop_token& stop);

}  // namespace dray
