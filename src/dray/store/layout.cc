#include "dray/store/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/path.h"

namespace dray {

namespace {

constexpr std::string_view kName = "{name}", kVersion = "{version}";

std::vector<std::string_view> segments(std::string_view path) {
  std::vector<std::string_view> out;
  for (std::size_t begin = 0;;) {
    const std::size_t slash = path.find('/', begin);
    out.push_back(path.substr(begin, slash - begin));
    if (slash == std::string_view::npos) return out;
    begin = slash + 1;
  }
}

std::string_view without_final_slash(std::string_view place) {
  if (place.ends_with('/')) place.remove_suffix(1);
  return place;
}

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

[[noreturn]] void refuse(std::string_view place, std::string_view why) {
  throw Error(Code::usage, fmt::format("the place '{}' {}", place, why))
      .hint(fmt::format("use for example '{}'", kDefaultTemplate));
}

/// What stands for the placeholder in `text`, if `text` is `pattern` with the placeholder filled
/// in.
std::optional<std::string_view> filled(std::string_view pattern, std::string_view placeholder,
                                       std::string_view text) {
  const std::size_t at = pattern.find(placeholder);
  const std::string_view head = pattern.substr(0, at);
  const std::string_view tail = pattern.substr(at + placeholder.size());
  if (text.size() <= head.size() + tail.size() || !text.starts_with(head) || !text.ends_with(tail))
    return std::nullopt;
  return text.substr(head.size(), text.size() - head.size() - tail.size());
}

std::string replace(std::string text, std::string_view what, std::string_view with) {
  const std::size_t at = text.find(what);
  if (at != std::string::npos) text.replace(at, what.size(), with);
  return text;
}

}  // namespace

void check_place(std::string_view place) {
  const std::string_view path = without_final_slash(place);
  try {
    check_relative_path(path, "place");
  } catch (const Error& e) {
    refuse(place, fmt::format("is not a usable path: {}", e.message()));
  }
  if (count_of(path, kName) != 1 || count_of(path, kVersion) != 1)
    refuse(place, "must contain {name} and {version} once each");
  const auto parts = segments(path);
  if (parts.front() == ".dray") refuse(place, "lies among dray's own records");
  for (const auto& part : parts)
    if (part.find(kName) != std::string_view::npos && part.find(kVersion) != std::string_view::npos)
      refuse(place,
             "must keep {name} and {version} in different folders: 'a-b' and '1' would meet "
             "'a' and 'b-1'");
}

std::string release_prefix(std::string_view name, std::string_view version,
                           std::string_view place) {
  // The later one first, so that braces in a value cannot be taken for the other placeholder.
  const std::string_view path = without_final_slash(place);
  const std::size_t name_at = path.find(kName), version_at = path.find(kVersion);
  std::string out(path);
  if (name_at < version_at) {
    out = replace(replace(std::move(out), kVersion, version), kName, name);
  } else {
    out = replace(replace(std::move(out), kName, name), kVersion, version);
  }
  return out + '/';
}

std::string place_root(std::string_view place) {
  const std::size_t brace = std::min(place.find(kName), place.find(kVersion));
  const std::size_t slash = place.substr(0, brace).rfind('/');
  return std::string(place.substr(0, slash == std::string_view::npos ? 0 : slash + 1));
}

std::optional<std::pair<std::string, std::string>> release_of_key(std::string_view key,
                                                                  std::string_view place) {
  const auto pattern = segments(without_final_slash(place));
  const auto parts = segments(key);
  if (parts.size() <= pattern.size()) return std::nullopt;
  std::pair<std::string, std::string> out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const bool has_name = pattern[i].find(kName) != std::string_view::npos;
    const bool has_version = pattern[i].find(kVersion) != std::string_view::npos;
    if (!has_name && !has_version) {
      if (parts[i] != pattern[i]) return std::nullopt;
      continue;
    }
    const auto value = filled(pattern[i], has_name ? kName : kVersion, parts[i]);
    // No name begins with a dot, so ".dray/releases/…" is no release even of the place
    // "{name}/{version}".
    if (!value || value->front() == '.') return std::nullopt;
    (has_name ? out.first : out.second) = *value;
  }
  return out;
}

std::string manifest_key(std::string_view name, std::string_view version) {
  return fmt::format(".dray/releases/{}/{}.json", name, version);
}
std::string manifest_prefix(std::string_view name) {
  return fmt::format(".dray/releases/{}/", name);
}
std::string alias_prefix(std::string_view name, std::string_view alias) {
  return fmt::format(".dray/aliases/{}/{}/", name, alias);
}
std::string alias_key(std::string_view name, std::string_view alias, std::uint64_t seq) {
  return fmt::format(".dray/aliases/{}/{}/{:08}.json", name, alias, seq);
}
std::string alias_root(std::string_view name) { return fmt::format(".dray/aliases/{}/", name); }
std::string state_root(std::string_view name) { return fmt::format(".dray/states/{}/", name); }
std::string state_prefix(std::string_view name, std::string_view version) {
  return fmt::format(".dray/states/{}/{}/", name, version);
}
std::string eval_prefix(std::string_view name, std::string_view version) {
  return fmt::format(".dray/evals/{}/{}/", name, version);
}
std::string ranges_key(std::string_view name, std::string_view version) {
  return fmt::format(".dray/ranges/{}/{}.txt", name, version);
}
std::string transfer_prefix(std::string_view id) { return fmt::format(".dray/transfers/{}/", id); }
std::string journal_key(std::string_view id, std::string_view writer) {
  return fmt::format(".dray/transfers/{}/{}.json", id, writer);
}
std::string layout_key() { return ".dray/layout.json"; }

}  // namespace dray
