// Relative paths that come from outside, checked before anything is done with them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dray {

/// Throws Code::malformed unless `path` is a safe relative path: valid UTF-8 without NUL or control
/// characters, no empty, "." or ".." segment (also after `\` → `/`), not absolute, no drive or UNC
/// form, each segment <= 255 bytes, all <= 1024. `what` names where it came from.
void check_relative_path(std::string_view path, std::string_view what);

/// Checks every path, and that none occurs twice, none differs from another only in case, and none
/// is both a file and the folder of another. Throws Code::malformed naming the two.
void check_listing(const std::vector<std::string>& paths, std::string_view what);

bool valid_utf8(std::string_view text);

}  // namespace dray
