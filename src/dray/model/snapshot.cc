#include "dray/model/snapshot.h"

#include <algorithm>

namespace dray {

std::uint64_t Snapshot::total_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& file : files) sum += file.size;
  return sum;
}

const FileEntry* Snapshot::find(std::string_view path) const {
  auto at =
      std::lower_bound(files.begin(), files.end(), path,
                       [](const FileEntry& file, std::string_view p) { return file.path < p; });
  return at != files.end() && at->path == path ? &*at : nullptr;
}

}  // namespace dray
