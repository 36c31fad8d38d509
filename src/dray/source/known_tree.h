// The list of a repository's files that the Hub's own client keeps beside what it downloads.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "dray/model/snapshot.h"
#include "dray/source/local_files.h"

namespace dray {

using KnownTree = std::map<std::string, Digests>;

/// The whole list at one commit (`trees/{commit}.json`) with the digests that the Hub states; empty
/// where there is none or it is broken.
KnownTree known_tree(const std::filesystem::path& file);

/// Warns where the tree has files that are not there: a download of a part, or one that was broken
/// off. `place` is "the cache" or "the folder".
void warn_of_absent(const KnownTree& tree, const std::map<std::string, LocalFile>& there,
                    std::string_view place);

}  // namespace dray
