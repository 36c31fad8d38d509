// A model in the cache that the Hub's own clients keep (~/.cache/huggingface/hub).
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "dray/hub/reference.h"
#include "dray/source/local_files.h"
#include "dray/source/source.h"

namespace dray {

/// Layout (huggingface_hub, docs/hub/local-cache): `models--{org}--{name}` with `refs/{revision}`
/// (a commit), `snapshots/{commit}/{path}` (links to `blobs/{etag}`, whose names are the contents'
/// digests, or plain files where links are not possible) and, from newer clients,
/// `trees/{commit}.json` (the repository's whole list with digests). No network. Its origin is the
/// Hub's repository, so that the same commit is the same origin from either.
class CacheSource : public Source {
 public:
  /// No revision means "main".
  CacheSource(hub::RepoRef ref, std::filesystem::path cache);

  Snapshot snapshot(const std::stop_token& stop) override;
  void read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
            const std::stop_token& stop) override;
  std::string name() const override { return "hf-cache:" + ref_.repo; }

 private:
  std::string commit() const;

  const hub::RepoRef ref_;
  const std::filesystem::path folder_;      // of the repository
  std::map<std::string, LocalFile> files_;  // set by snapshot()
};

}  // namespace dray
