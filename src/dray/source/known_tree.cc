#include "dray/source/known_tree.h"

#include <algorithm>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/base/log.h"
#include "dray/hub/listing.h"

namespace dray {

KnownTree known_tree(const std::filesystem::path& file) {
  KnownTree known;
  try {
    const auto text = read_file(file);
    if (!text) return known;
    const Json root = parse_json(*text, file.string());
    if (find_u64(root, "format_version", "tree") != 1) return known;
    for (const auto& [path, entry] : get_object(root, "files", "tree").items()) {
      Digests digests;
      digests.sha256 = hub::sha256_of(find_string(entry, "lfs_sha256", "tree").value_or(""));
      // Beside an LFS digest it is the pointer's id.
      if (digests.sha256.empty())
        digests.git_sha1 = hub::git_id_of(find_string(entry, "blob_id", "tree").value_or(""));
      known[path] = std::move(digests);
    }
  } catch (const Error& error) {
    debug("the list of the Hub's client is of no use: {}", error.what());
    known.clear();
  }
  return known;
}

void warn_of_absent(const KnownTree& tree, const std::map<std::string, LocalFile>& there,
                    std::string_view place) {
  const auto absent = std::count_if(tree.begin(), tree.end(),
                                    [&](const auto& item) { return !there.contains(item.first); });
  if (absent > 0)
    warn("{} lacks {} of the {} files that the model has at this commit", place, absent,
         tree.size());
}

}  // namespace dray
