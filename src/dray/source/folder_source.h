// A local folder: a model made here, a git clone, or what `hf download --local-dir` left.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "dray/source/local_files.h"
#include "dray/source/source.h"

namespace dray {

/// All files of the folder except housekeeping (.git, .cache/huggingface). A local folder states no
/// digests, which is right for Origin::kind "dir": it is its own publisher, and what is stored is
/// what was read. Where the Hub's client left its notes
/// (.cache/huggingface/download/<path>.metadata) and the file is not newer than its note, the ETag
/// there is the digest, and the commit there, if all files have the same, is the origin's.
class FolderSource : public Source {
 public:
  /// `folder` as typed; "~" is expanded by the caller.
  explicit FolderSource(std::filesystem::path folder);

  Snapshot snapshot(const std::stop_token& stop) override;
  void read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
            const std::stop_token& stop) override;
  std::string name() const override;

 private:
  const std::filesystem::path folder_;      // absolute
  std::map<std::string, LocalFile> files_;  // set by snapshot()
};

/// What a note of the Hub's client says: three lines, commit, ETag and the time of download in
/// seconds.
struct DownloadNote {
  std::string commit;
  std::string etag;
  double time = 0;
};
/// nullopt where the text is something else.
std::optional<DownloadNote> parse_download_note(std::string_view text);

}  // namespace dray
