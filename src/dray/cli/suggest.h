// Close names, for "did you mean".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dray::cli {

/// Edits from one text to the other: insert, delete, replace, swap of neighbours. Inputs above 64
/// characters count as far apart.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate that `typed` most likely means: within a third of its length in edits, or begun by
/// it; "" if none is close.
std::string closest(std::string_view typed, const std::vector<std::string>& candidates);

/// The command that people from other tools mean by `typed` ("download" → "pull"); "" if none.
std::string familiar_command(std::string_view typed);

}  // namespace dray::cli
