#include "dray/hub/stored_tokens.h"

#include <algorithm>
#include <utility>

#include "dray/base/bytes.h"

namespace dray::hub {

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r";
  const std::size_t first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

/// Into terminals and messages only plain names.
bool is_plain(std::string_view name) {
  for (const char c : name)
    if (c < ' ' || c > '~') return false;
  return !name.empty() && name.size() <= 96;
}

}  // namespace

std::vector<StoredToken> parse_stored_tokens(std::string_view text) {
  std::vector<StoredToken> tokens;
  bool inside = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with('[') && line.ends_with(']')) {
      const std::string_view name = line.substr(1, line.size() - 2);
      inside = is_plain(name);
      if (inside) tokens.push_back({std::string(name), Secret(), std::nullopt});
      continue;
    }
    const std::size_t mark = line.find_first_of("=:");
    if (!inside || mark == std::string_view::npos || line.starts_with('#')) continue;
    const std::string_view key = trimmed(line.substr(0, mark)),
                           value = trimmed(line.substr(mark + 1));
    if (key == "hf_token") tokens.back().value = Secret(std::string(value));
    if (key == "expires_at")
      if (const auto time = parse_u64(value); time && *time < (std::uint64_t{1} << 40))
        tokens.back().expires_at = static_cast<std::int64_t>(*time);
  }
  return tokens;
}

}  // namespace dray::hub
