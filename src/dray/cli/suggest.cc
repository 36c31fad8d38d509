#include "dray/cli/suggest.h"

#include <algorithm>
#include <utility>

namespace dray::cli {

namespace {
constexpr std::size_t kLongest = 64;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  if (a.size() > kLongest || b.size() > kLongest) return a == b ? 0 : kLongest;
  // Optimal string alignment: three rows of the table are alive at a time.
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string closest(std::string_view typed, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, typed.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(typed, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  if (!best.empty() || typed.size() < 2) return best;
  for (const auto& candidate : candidates)
    if (candidate.starts_with(typed)) return candidate;
  return "";
}

std::string familiar_command(std::string_view typed) {
  static constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"download", "pull"}, {"get", "pull"},      {"export", "pull"},
      {"push", "import"},   {"upload", "import"}, {"copy", "import"},
      {"cp", "import"},     {"sync", "import"},   {"ls", "list"},
      {"models", "list"},   {"ps", "list"},       {"info", "show"},
      {"inspect", "show"},  {"check", "verify"},  {"tag", "promote"},
      {"alias", "promote"}, {"log", "history"},   {"prune", "gc"},
      {"clean", "gc"},      {"env", "doctor"},    {"status", "doctor"},
      {"test", "doctor"},   {"try", "demo"},      {"register", "registry register"},
  };
  for (const auto& [word, command] : kWords)
    if (word == typed) return std::string(command);
  return "";
}

}  // namespace dray::cli
