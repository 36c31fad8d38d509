#include "dray/base/similar.h"

#include <algorithm>
#include <utility>

namespace dray {

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

std::string nearest(std::string_view wanted, const std::vector<std::string>& names,
                    std::size_t most) {
  std::string best;
  std::size_t least = most + 1;
  for (const auto& name : names) {
    const std::size_t distance = edit_distance(wanted, name);
    if (distance >= least) continue;
    best = name;
    least = distance;
  }
  return best;
}

}  // namespace dray
