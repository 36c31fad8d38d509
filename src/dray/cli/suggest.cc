#include "dray/cli/suggest.h"

#include <algorithm>
#include <utility>

namespace dray::cli {

std::string closest(std::string_view typed, const std::vector<std::string>& candidates) {
  std::string best = nearest(typed, candidates, std::max<std::size_t>(1, typed.size() / 3));
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
