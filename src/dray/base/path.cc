#include "dray/base/path.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "dray/base/error.h"

namespace dray {

namespace {

constexpr std::size_t kLongestSegment = 255, kLongestPath = 1024;

/// For error messages: hostile names must not reach a terminal as they are.
std::string shown(std::string_view path) {
  std::string out;
  for (const char c : path.substr(0, 200)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7F)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  if (path.size() > 200) out += "...";
  return out;
}

[[noreturn]] void refuse(std::string_view path, std::string_view what, std::string_view reason) {
  throw Error(Code::malformed, fmt::format("unsafe path \"{}\": {}", shown(path), reason))
      .on("check", std::string(what));
}

/// Length of the UTF-8 sequence that `text` starts with (RFC 3629); 0 if it is none.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  std::size_t length = 0;
  unsigned low = 0x80, high = 0xBF;  // allowed second bytes: no overlong forms, no surrogates
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  }
  if (length == 0 || text.size() < length || byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  return length;
}

bool has_control_character(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7F) return true;
    // U+0080 to U+009F, in UTF-8 that is known to be valid.
    if (byte == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0) return true;
  }
  return false;
}

/// What two names must not share: ASCII letters without case, and `/` as the lowest character, so
/// that in sorted order a folder's content follows directly after a file of the folder's name.
std::string folded(std::string_view path) {
  std::string out(path);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '/' || c == '\\') c = '\x01';
  }
  return out;
}

}  // namespace

bool valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

void check_relative_path(std::string_view path, std::string_view what) {
  if (path.empty()) refuse(path, what, "it is empty");
  if (path.size() > kLongestPath) refuse(path, what, "it is longer than 1024 bytes");
  if (!valid_utf8(path)) refuse(path, what, "it is not valid UTF-8");
  if (has_control_character(path)) refuse(path, what, "it contains a control character");
  if (path[0] == '/' || path[0] == '\\') refuse(path, what, "it is absolute");
  const bool letter = (path[0] >= 'a' && path[0] <= 'z') || (path[0] >= 'A' && path[0] <= 'Z');
  if (letter && path.size() > 1 && path[1] == ':') refuse(path, what, "it names a drive");

  std::string_view rest = path;
  while (true) {
    const std::size_t end = rest.find_first_of("/\\");
    const std::string_view segment = rest.substr(0, end);
    if (segment.empty()) refuse(path, what, "it has an empty segment");
    if (segment == "." || segment == "..")
      refuse(path, what, fmt::format("it has a \"{}\" segment", segment));
    if (segment.size() > kLongestSegment)
      refuse(path, what, "it has a segment longer than 255 bytes");
    if (end == std::string_view::npos) return;
    rest.remove_prefix(end + 1);
  }
}

void check_listing(const std::vector<std::string>& paths, std::string_view what) {
  std::vector<std::pair<std::string, std::size_t>> sorted;
  sorted.reserve(paths.size());
  for (std::size_t i = 0; i < paths.size(); ++i) {
    check_relative_path(paths[i], what);
    sorted.emplace_back(folded(paths[i]), i);
  }
  std::ranges::sort(sorted);
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    const auto& [before, a] = sorted[i - 1];
    const auto& [after, b] = sorted[i];
    const std::string& first = paths[a];
    const std::string& second = paths[b];
    if (before == after) {
      if (first == second) refuse(first, what, "it is listed twice");
      refuse(first, what, fmt::format("it differs from \"{}\" only in case", shown(second)));
    }
    if (after.size() > before.size() && after[before.size()] == '\x01' && after.starts_with(before))
      refuse(first, what, fmt::format("it is also a folder, of \"{}\"", shown(second)));
  }
}

}  // namespace dray
