#include "dray/model/plain_text.h"

#include <algorithm>

#include "dray/base/path.h"

namespace dray {

bool is_plain_text(std::string_view text, std::size_t longest) {
  if (text.size() > longest || !valid_utf8(text)) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7F) return false;
    // U+0080 to U+009F: terminals take them for control sequences, too.
    if (byte == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0) return false;
  }
  return true;
}

std::string shown_text(std::string_view text) {
  constexpr std::size_t kLongest = 200;
  std::string out(text.substr(0, kLongest));
  std::replace_if(out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  if (text.size() > kLongest) out += "...";
  return out;
}

}  // namespace dray
