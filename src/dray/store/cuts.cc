#include "dray/store/cuts.h"

#include <algorithm>

namespace dray {

namespace {
/// Smaller parts are more requests than they save bytes.
constexpr std::uint64_t kLeastPart = 4 * kMiB;
}  // namespace

std::vector<std::uint64_t> cut_at_pieces(const std::vector<std::uint64_t>& piece_ends,
                                         const CutLimits& limits) {
  if (piece_ends.empty()) return {};
  const std::uint64_t size = piece_ends.back();
  const std::uint64_t wanted = std::max(std::min(kLeastPart, limits.max_put / 2), limits.min_part);
  const std::uint64_t least = std::max(wanted, (size + limits.max_count - 1) / limits.max_count);
  std::vector<std::uint64_t> out;
  std::uint64_t begin = 0;
  for (const std::uint64_t end : piece_ends) {
    if (end - begin > limits.max_put) return {};
    if (end - begin < least && end != size) continue;
    out.push_back(end);
    begin = end;
  }
  if (out.size() < 2) return {};
  return out;
}

}  // namespace dray
