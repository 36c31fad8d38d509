// The Hub's file patterns.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dray {

/// Case-sensitive fnmatch over the whole path as the Hub's clients do it: `*` and `?` also match
/// `/`,
/// `[seq]` and `[!seq]`, no escape character, `\` counts as `/`, a pattern that ends in `/` gets
/// `*`. Linear in practice and never exponential, whatever the pattern.
bool glob_match(std::string_view pattern, std::string_view path);

/// Matches any of `include` (or it is empty) and none of `exclude`.
bool glob_selects(const std::vector<std::string>& include, const std::vector<std::string>& exclude,
                  std::string_view path);

}  // namespace dray
