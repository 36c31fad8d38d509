// Close names, for "did you mean".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dray/base/similar.h"

namespace dray::cli {

/// The candidate that `typed` most likely means: within a third of its length in edits, or begun by
/// it; "" if none is close.
std::string closest(std::string_view typed, const std::vector<std::string>& candidates);

/// The command that people from other tools mean by `typed` ("download" → "pull"); "" if none.
std::string familiar_command(std::string_view typed);

}  // namespace dray::cli
