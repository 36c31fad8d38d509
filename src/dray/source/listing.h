// What all sources do with the list of files they found.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dray/model/snapshot.h"
#include "dray/source/source.h"

namespace dray {

/// Sorts by path and checks the whole list before any byte is moved: safe, unique paths
/// (base/path.h). Throws Code::malformed with Side::source; Code::not_found where there is no file
/// at all.
void check_and_sort(std::vector<FileEntry>& files, const std::string& source);

/// "version https://git-lfs.github.com/spec/v1 …": what git keeps in place of a large file.
bool is_lfs_pointer(std::string_view text);

/// Throws Code::verification when `bytes`, read from the beginning of `file`, are an LFS pointer
/// and `file` should hold weights: a mirror or clone without LFS. Files of other kinds may be what
/// they like.
void check_no_pointer(const FileEntry& file, std::uint64_t offset, Bytes bytes,
                      const std::string& source);

/// Facts from the head of the README.md of a local source, where there is one; `read` as for
/// selections.
ModelInfo info_of_readme(const ReadSmall& read);

inline constexpr std::uint64_t kMostLocalFiles = 200'000;

}  // namespace dray
