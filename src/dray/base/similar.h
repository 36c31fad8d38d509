// Names that were probably meant.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dray {

/// Insertions, deletions, replacements and swaps of neighbours that make `b` of `a`. Texts of more
/// than 64 bytes are equal or far apart.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The first of the names that are nearest to `wanted`, "" if none is within `most` edits.
std::string nearest(std::string_view wanted, const std::vector<std::string>& names,
                    std::size_t most);

}  // namespace dray
