// Texts of strangers that end up in messages, tables and registries.
#pragma once

#include <string>
#include <string_view>

namespace dray {

/// At most `longest` bytes, valid UTF-8, no control characters: may be shown as it is.
bool is_plain_text(std::string_view text, std::size_t longest = 256);

/// For error messages: what is not printable ASCII becomes '?', long texts are cut.
std::string shown_text(std::string_view text);

}  // namespace dray
