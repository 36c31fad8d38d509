#include "dray/source/listing.h"

#include <algorithm>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/path.h"
#include "dray/model/file_kind.h"
#include "dray/model/hf_config.h"

namespace dray {

namespace {

constexpr std::uint64_t kLongestPointer = 1024;

}  // namespace

void check_and_sort(std::vector<FileEntry>& files, const std::string& source) {
  if (files.empty())
    throw Error(Code::not_found, "there are no files").on("list", source).from(Side::source);
  std::vector<std::string> paths;
  paths.reserve(files.size());
  for (const FileEntry& file : files) paths.push_back(file.path);
  try {
    check_listing(paths, source);
  } catch (const Error& error) {
    throw Error(error).from(Side::source);
  }
  std::sort(files.begin(), files.end(),
            [](const FileEntry& a, const FileEntry& b) { return a.path < b.path; });
}

bool is_lfs_pointer(std::string_view text) {
  return text.size() <= kLongestPointer &&
         text.starts_with("version https://git-lfs.github.com/spec/v1") &&
         text.find("\noid sha256:") != std::string_view::npos;
}

void check_no_pointer(const FileEntry& file, std::uint64_t offset, Bytes bytes,
                      const std::string& source) {
  if (offset != 0 || file.size != bytes.size() || file.size > kLongestPointer) return;
  if (!is_weights(file_kind(file.path)) || !is_lfs_pointer(as_text(bytes))) return;
  throw Error(Code::verification, "this is an LFS pointer, not the weights it stands for")
      .on("read", source + "/" + file.path)
      .from(Side::source)
      .hint("fetch the large files first (git lfs pull), or ask the mirror's operator for them");
}

ModelInfo info_of_readme(const ReadSmall& read) {
  const std::optional<std::string> readme = read("README.md");
  return readme ? parse_readme_head(*readme) : ModelInfo{};
}

}  // namespace dray
