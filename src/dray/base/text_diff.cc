#include "dray/base/text_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace dray {

namespace {

// Cells of the table of the longest common subsequence: 32 MiB of it.
constexpr std::size_t kMostCells = 16 << 20;

struct Line {
  char kind;  // ' ', '-' or '+'
  std::string_view text;
};

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    out.push_back(text.substr(0, end == std::string_view::npos ? text.size() : end + 1));
    text.remove_prefix(out.back().size());
  }
  return out;
}

using Lines = std::vector<std::string_view>;

/// What lies between the common beginning and end.
void diff_middle(const Lines& a, const Lines& b, std::vector<Line>& out) {
  const std::size_t n = a.size(), m = b.size();
  if (n == 0 || m == 0 || n > kMostCells / m || n > UINT16_MAX || m > UINT16_MAX) {
    for (const auto line : a) out.push_back({'-', line});
    for (const auto line : b) out.push_back({'+', line});
    return;
  }
  // common[i][j]: length of the longest common subsequence of a from i on and b from j on.
  std::vector<std::uint16_t> common((n + 1) * (m + 1), 0);
  const auto at = [&](std::size_t i, std::size_t j) -> std::uint16_t& {
    return common[i * (m + 1) + j];
  };
  for (std::size_t i = n; i-- > 0;)
    for (std::size_t j = m; j-- > 0;)
      at(i, j) = a[i] == b[j] ? static_cast<std::uint16_t>(at(i + 1, j + 1) + 1)
                              : std::max(at(i + 1, j), at(i, j + 1));
  std::size_t i = 0, j = 0;
  while (i < n || j < m) {
    if (i < n && j < m && a[i] == b[j]) {
      out.push_back({' ', a[i]});
      ++i, ++j;
    } else if (i < n && (j == m || at(i + 1, j) >= at(i, j + 1))) {
      out.push_back({'-', a[i++]});
    } else {
      out.push_back({'+', b[j++]});
    }
  }
}

std::vector<Line> diff_lines(Lines a, Lines b) {
  std::vector<Line> out;
  std::size_t begin = 0;
  while (begin < a.size() && begin < b.size() && a[begin] == b[begin]) ++begin;
  std::size_t end = 0;
  while (end < a.size() - begin && end < b.size() - begin &&
         a[a.size() - 1 - end] == b[b.size() - 1 - end])
    ++end;
  for (std::size_t i = 0; i < begin; ++i) out.push_back({' ', a[i]});
  const auto middle = [&](const Lines& all) {
    return Lines(all.begin() + static_cast<std::ptrdiff_t>(begin),
                 all.end() - static_cast<std::ptrdiff_t>(end));
  };
  diff_middle(middle(a), middle(b), out);
  for (std::size_t i = a.size() - end; i < a.size(); ++i) out.push_back({' ', a[i]});
  return out;
}

void add_line(std::string& out, const Line& line) {
  out += line.kind;
  out += line.text;
  if (!line.text.ends_with('\n')) out += "\n\\ No newline at end of file\n";
}

/// "12,3"; the line before it where there is none, as diff counts.
std::string span_text(std::size_t first, std::size_t count) {
  if (count == 1) return std::to_string(first);
  return fmt::format("{},{}", count == 0 ? first - 1 : first, count);
}

}  // namespace

std::string unified_diff(std::string_view before, std::string_view after,
                         const TextDiffOptions& options) {
  if (before == after) return {};
  const std::vector<Line> lines = diff_lines(lines_of(before), lines_of(after));
  std::string out = fmt::format("--- {}\n+++ {}\n", options.before_name, options.after_name);
  std::size_t old_line = 1, new_line = 1;  // of lines[at]
  std::size_t at = 0;
  const auto pass = [&](std::size_t to) {
    for (; at < to; ++at) {
      if (lines[at].kind != '+') ++old_line;
      if (lines[at].kind != '-') ++new_line;
    }
  };
  const auto next_change = [&](std::size_t from) {
    while (from < lines.size() && lines[from].kind == ' ') ++from;
    return from;
  };
  for (std::size_t change = next_change(0); change < lines.size();) {
    pass(std::max(at, change - std::min(change, options.context)));
    // The hunk ends where more unchanged lines follow than both contexts take.
    std::size_t last = change;
    for (std::size_t next = change; next < lines.size() && next - last <= 2 * options.context + 1;
         next = next_change(next + 1))
      last = next;
    const std::size_t end = std::min(lines.size(), last + 1 + options.context);
    std::string body;
    std::size_t removed = 0, added = 0;
    for (std::size_t i = at; i < end; ++i) {
      add_line(body, lines[i]);
      removed += lines[i].kind != '+' ? 1 : 0;
      added += lines[i].kind != '-' ? 1 : 0;
    }
    out += fmt::format("@@ -{} +{} @@\n{}", span_text(old_line, removed),
                       span_text(new_line, added), body);
    pass(end);
    change = next_change(end);
  }
  return out;
}

}  // namespace dray
