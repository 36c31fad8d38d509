// A source's snapshot as the Hub's API tells it: every file with a digest, the whole with a commit.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "dray/model/snapshot.h"
#include "dray/source/source.h"

namespace dray {

struct ServedFile {
  FileEntry entry;
  bool lfs = false;     // served under its SHA-256, as the Hub does with files kept in LFS
  std::string etag;     // SHA-256 (64 hex) of LFS files, git blob SHA-1 (40 hex) of others
  std::string blob_id;  // the Hub's `oid`: git blob SHA-1, of an LFS file that of its pointer
  std::string pointer;  // of an LFS file: the text that stands for it in git
};

/// Immutable once loaded, so it is shared by threads without a lock.
struct ServedSnapshot {
  Origin origin;
  ModelInfo info;
  std::string commit;                          // 40 hex digits
  std::vector<ServedFile> files;               // sorted by path
  std::set<std::string, std::less<>> folders;  // all of them, parents included; not the top ("")

  const ServedFile* find(std::string_view path) const;
  /// Whether `revision` names this snapshot: its commit, "main", "HEAD", or what the source
  /// was asked for.
  bool has_revision(std::string_view revision) const;
};

/// Takes the source's snapshot, and reads files whose digest it does not state: up to 10 MiB they
/// are served as files kept in git, larger ones as LFS files. The commit is the source's where it
/// has one of 40 hex digits, else a digest of the listing. Code::unsupported for sources without
/// random access.
std::shared_ptr<const ServedSnapshot> load_served(Source& source, const std::stop_token& stop);

}  // namespace dray
