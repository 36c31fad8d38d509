// Patterns of users and paths of servers: matching ends, and agrees with a plain recursive
// definition.
#include "dray/base/glob.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "dray/base/bytes.h"

namespace {

/// The definition of `*` and `?`, exponential: for short ASCII input without sets.
bool plain_match(std::string_view pattern, std::string_view path) {
  if (pattern.empty()) return path.empty();
  if (pattern[0] == '*')
    return plain_match(pattern.substr(1), path) ||
           (!path.empty() && plain_match(pattern, path.substr(1)));
  return !path.empty() && (pattern[0] == '?' || pattern[0] == path[0]) &&
         plain_match(pattern.substr(1), path.substr(1));
}

bool simple(std::string_view text) {
  for (const char c : text)
    if (c == '[' || c == '\\' || static_cast<signed char>(c) < 0) return false;
  return text.size() <= 10;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  const auto text = dray::as_text(std::as_bytes(std::span(data, size)));
  const auto cut = text.find('\n');
  if (cut == std::string_view::npos) return 0;
  const std::string_view pattern = text.substr(0, cut), path = text.substr(cut + 1);
  const bool matches = dray::glob_match(pattern, path);
  if (simple(pattern) && simple(path) && !pattern.ends_with('/') &&
      matches != plain_match(pattern, path))
    std::abort();
  return 0;
}
