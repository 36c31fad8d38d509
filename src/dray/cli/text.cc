#include "dray/cli/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace dray::cli {

namespace {

struct Rune {
  char32_t value = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

/// The character that begins at `at`; invalid UTF-8 gives one byte.
Rune rune_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned first = byte(at);
  if (first < 0x80) return {first, 1, true};
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return {};
  char32_t value = first & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return {};
    value = (value << 6) | (byte(at + i) & 0x3f);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  if (overlong || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return {};
  return {value, length, true};
}

struct Range {
  char32_t first, last;
};

template <std::size_t N>
bool in(const Range (&ranges)[N], char32_t c) {
  return std::ranges::any_of(ranges, [c](Range r) { return c >= r.first && c <= r.last; });
}

// The blocks that matter for names (Unicode EastAsianWidth W and F; Mn).
constexpr Range kWide[] = {{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},
                           {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},
                           {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
                           {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
constexpr Range kNarrowest[] = {{0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},
                                {0x64b, 0x65f},   {0x200b, 0x200f}, {0x20d0, 0x20ff},
                                {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};
// C1 controls, line separators, direction marks and overrides.
constexpr Range kSteering[] = {
    {0x80, 0x9f}, {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069}, {0xfeff, 0xfeff}};

std::size_t width_of(const Rune& rune) {
  if (!rune.valid) return 1;
  if (in(kNarrowest, rune.value)) return 0;
  return in(kWide, rune.value) ? 2 : 1;
}

/// The longest beginning of at most `width` columns, in bytes.
std::size_t beginning(std::string_view text, std::size_t width) {
  std::size_t at = 0, columns = 0;
  while (at < text.size()) {
    const Rune rune = rune_at(text, at);
    if (columns + width_of(rune) > width) break;
    columns += width_of(rune);
    at += rune.bytes;
  }
  return at;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = rune_at(text, at);
    columns += width_of(rune);
    at += rune.bytes;
  }
  return columns;
}

std::string fit(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return "";
  return std::string(text.substr(0, beginning(text, width - 1))) + "…";
}

std::string fit_middle(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width < 8) return fit(text, width);
  const std::size_t tail_columns = (width - 1) * 3 / 4;
  std::size_t cut = 0;  // drop characters from the front until the rest fits
  while (display_width(text.substr(cut)) > tail_columns) cut += rune_at(text, cut).bytes;
  const std::string_view head = text.substr(0, beginning(text, width - 1 - tail_columns));
  return fmt::format("{}…{}", head, text.substr(cut));
}

std::string pad(std::string_view text, std::size_t width, bool right) {
  const std::size_t used = display_width(text);
  const std::string space(used < width ? width - used : 0, ' ');
  return right ? space + std::string(text) : std::string(text) + space;
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = rune_at(text, at);
    const bool bad =
        !rune.valid || rune.value < 0x20 || rune.value == 0x7f || in(kSteering, rune.value);
    if (bad) {
      out += '?';
    } else {
      out += text.substr(at, rune.bytes);
    }
    at += rune.bytes;
  }
  return out;
}

std::vector<std::string> format_table(const Table& table, std::size_t width) {
  std::vector<std::vector<std::string>> cells;
  std::vector<std::size_t> widths;
  for (const auto& column : table.columns) widths.push_back(display_width(column.title));
  for (const auto& row : table.rows) {
    auto& line = cells.emplace_back();
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      line.push_back(i < row.size() ? printable(row[i]) : "");
      widths[i] = std::max(widths[i], display_width(line.back()));
    }
  }
  std::size_t total = table.columns.empty() ? 0 : (table.columns.size() - 1) * 2;
  for (const std::size_t w : widths) total += w;
  for (std::size_t i = 0; width != 0 && total > width && i < widths.size(); ++i) {
    if (!table.columns[i].shrinks) continue;
    const std::size_t spare = std::min(total - width, widths[i] > 12 ? widths[i] - 12 : 0);
    widths[i] -= spare;
    total -= spare;
  }
  std::vector<std::string> lines;
  const auto add = [&](const std::vector<std::string>& row) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += "  ";
      line += pad(fit_middle(row[i], widths[i]), widths[i], table.columns[i].right);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(std::move(line));
  };
  std::vector<std::string> titles;
  for (const auto& column : table.columns) titles.push_back(column.title);
  add(titles);
  for (const auto& row : cells) add(row);
  return lines;
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  while (true) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view rest = text.substr(0, end);
    std::string line;
    while (!rest.empty()) {
      const std::size_t space = std::min(rest.find(' '), rest.size());
      const std::string_view word = rest.substr(0, space);
      const bool full = !line.empty() && display_width(line) + 1 + display_width(word) > width;
      if (full) lines.push_back(std::exchange(line, ""));
      if (!line.empty()) line += ' ';
      line += word;
      rest.remove_prefix(std::min(space + 1, rest.size()));
    }
    lines.push_back(std::move(line));
    if (end == text.size()) return lines;
    text.remove_prefix(end + 1);
  }
}

std::string human_duration(std::chrono::milliseconds time) {
  const auto ms = time.count() < 0 ? 0 : time.count();
  const auto s = (ms + 500) / 1000;
  if (ms < 10'000) return fmt::format("{}.{} s", (ms + 50) / 1000, (ms + 50) / 100 % 10);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {} s", s / 60, s % 60);
  return fmt::format("{} h {} min", s / 3600, s / 60 % 60);
}

std::string clock_duration(std::chrono::seconds time) {
  const auto s = time.count() < 0 ? 0 : time.count();
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

std::string count_of(std::uint64_t count, std::string_view thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

std::string without_password(std::string_view address) {
  std::string out(address);
  const std::size_t scheme = out.find("://");
  // s3:// and hf:// hold no passwords, and '@' means something else there.
  if (scheme == std::string::npos || !(out.starts_with("http") || out.starts_with("socks")))
    return out;
  // The last one: people write '/' and '@' into passwords without escaping them.
  const std::size_t host = scheme + 3, at = out.rfind('@');
  if (at != std::string::npos && at >= host) out.erase(host, at + 1 - host);
  return out;
}

std::string shell_word(std::string_view text) {
  const auto harmless = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./:@%+=,").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::ranges::all_of(text, harmless)) return std::string(text);
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

}  // namespace dray::cli
