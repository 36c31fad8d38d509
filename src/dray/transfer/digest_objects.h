// Reading stored objects back and hashing them, with the engine's parallel reads.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/source/source.h"
#include "dray/store/store.h"
#include "dray/transfer/options.h"
#include "dray/transfer/plan.h"
#include "dray/transfer/progress.h"

namespace dray {

struct ObjectToRead {
  std::string label;  // for progress
  std::string key;
  std::string etag;  // pins the object; "" = whatever is there
  std::uint64_t size = 0;
  std::uint64_t part_size =
      0;  // part boundaries of part_crc64 in the result; 0 = one for the whole object
  std::string git_sha1_of;  // not empty: also prove this git blob id
  ObjectPlan::Digests digests = ObjectPlan::Digests::none;  // of its pieces
};

/// SHA-256 and part CRC64s of each object as it lies in the store, in order. Objects that change or
/// vanish meanwhile throw.
std::vector<ObjectResult> digest_objects(Store& store, const std::vector<ObjectToRead>& objects,
                                         const TransferOptions& options, Progress& progress,
                                         const std::stop_token& stop);

/// Feeds every file, verified, to the transform of its index, which writes nothing: a pass in which
/// something is only found out.
void read_through(Source& source, const std::vector<FileEntry>& files,
                  const std::vector<std::shared_ptr<Transform>>& transforms,
                  const TransferOptions& options, Progress& progress, const std::stop_token& stop);

/// SHA-256 of a source's files, in order, by reading them once (a folder states no digests).
std::vector<ObjectResult> digest_files(Source& source, const std::vector<FileEntry>& files,
                                       const TransferOptions& options, Progress& progress,
                                       const std::stop_token& stop);

}  // namespace dray
