// Files on this machine as a snapshot: found once, and noticed when they change afterwards.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>

#include "dray/base/bytes.h"
#include "dray/model/snapshot.h"

namespace dray {

/// A regular file as it was when it was listed.
struct LocalFile {
  std::filesystem::path place;  // without links
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  bool link = false;  // the listed name is a symbolic link to it
};

/// Fills `out` from `offset` on. Code::verification when size or time of change are not those of
/// the listing any more.
void read_local(const LocalFile& file, const std::string& name, std::uint64_t offset,
                MutableBytes out);

/// All files below `folder` by their '/'-separated relative path, except below the top-level
/// folders that `skip` answers true for. Links to files must lead to somewhere below `bounds`;
/// links to folders, other kinds of files and more than `kMostLocalFiles` are refused with
/// Code::malformed. `source` names it in errors.
std::map<std::string, LocalFile> list_local(const std::filesystem::path& folder,
                                            const std::filesystem::path& bounds,
                                            const std::function<bool(std::string_view path)>& skip,
                                            const std::string& source, const std::stop_token& stop);

}  // namespace dray
