// Differences of two texts, line by line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dray {

struct TextDiffOptions {
  std::string before_name = "before", after_name = "after";
  std::size_t context = 3;  // unchanged lines shown around a change
};

/// As `diff -u` writes it, "" for equal texts. The smallest set of changed lines where what differs
/// (without the lines that both begin and end with) is at most a few thousand lines on each side;
/// beyond that all of it counts as replaced.
std::string unified_diff(std::string_view before, std::string_view after,
                         const TextDiffOptions& options);

}  // namespace dray
