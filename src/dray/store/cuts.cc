#include "dray/store/cuts.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace dray {

namespace {

/// A run of bytes with one origin; lengths are not limited yet.
using Run = CutPart;

std::optional<StoredRange> sub_range(const std::optional<StoredRange>& from, std::uint64_t skip,
                                     std::uint64_t length) {
  if (!from) return std::nullopt;
  return StoredRange{from->key, from->etag, {from->range.offset + skip, length}};
}

Run sub_run(const Run& run, std::uint64_t skip, std::uint64_t length) {
  return {{run.range.offset + skip, length}, sub_range(run.from, skip, length)};
}

bool continues(const Run& a, const Run& b) {
  if (!a.from || !b.from) return !a.from && !b.from;
  return a.from->key == b.from->key && a.from->etag == b.from->etag &&
         a.from->range.end() == b.from->range.offset;
}

void append(std::vector<Run>& runs, Run run) {
  if (run.range.length == 0) return;
  if (runs.empty() || !continues(runs.back(), run)) {
    runs.push_back(std::move(run));
    return;
  }
  runs.back().range.length += run.range.length;
  if (runs.back().from) runs.back().from->range.length += run.range.length;
}

std::vector<Run> runs_of(std::uint64_t size, const std::vector<ReusableRange>& reusable) {
  std::vector<Run> out;
  std::uint64_t at = 0;
  for (const auto& piece : reusable) {
    assert(piece.offset >= at && piece.offset + piece.from.range.length <= size);
    append(out, {{at, piece.offset - at}, std::nullopt});
    append(out, {{piece.offset, piece.from.range.length}, piece.from});
    at = piece.offset + piece.from.range.length;
  }
  append(out, {{at, size - at}, std::nullopt});
  return out;
}

/// Copied runs that are too short become bytes to put.
std::vector<Run> without_short_copies(const std::vector<Run>& runs, std::uint64_t min) {
  std::vector<Run> out;
  for (Run run : runs) {
    if (run.range.length < min) run.from.reset();
    append(out, std::move(run));
  }
  return out;
}

/// Runs to put that are too short take what they lack from the copied run behind them, or the one
/// before, if that stays long enough; else they take all of the one behind (the last part of an
/// object may be short).
std::vector<Run> widened(std::vector<Run> runs, std::uint64_t min) {
  std::vector<Run> out;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const bool last = i + 1 == runs.size();
    const std::uint64_t length = runs[i].range.length;
    if (runs[i].from || length >= min || last) {
      append(out, runs[i]);
      continue;
    }
    const std::uint64_t lacks = min - length;
    Run& next = runs[i + 1];
    const std::uint64_t next_length = next.range.length;
    if (next_length >= lacks + min) {
      append(out, {{runs[i].range.offset, min}, std::nullopt});
      next = sub_run(next, lacks, next_length - lacks);
    } else if (!out.empty() && out.back().from && out.back().range.length >= lacks + min) {
      const std::uint64_t keep = out.back().range.length - lacks;
      out.back() = sub_run(out.back(), 0, keep);
      append(out, {{runs[i].range.offset - lacks, min}, std::nullopt});
    } else {
      // Together they are a run to put, which may be too short itself.
      next = {{runs[i].range.offset, length + next_length}, std::nullopt};
      if (i + 2 < runs.size() && !runs[i + 2].from) {
        next.range.length += runs[i + 2].range.length;
        runs.erase(runs.begin() + static_cast<std::ptrdiff_t>(i) + 2);
      }
    }
  }
  return out;
}

/// Pieces of about one length, none above `most`.
void split(const Run& run, std::uint64_t most, std::vector<CutPart>& out) {
  const std::uint64_t length = run.range.length;
  const std::uint64_t count = (length + most - 1) / most;
  for (std::uint64_t i = 0, at = 0; i < count; ++i) {
    const std::uint64_t end = length / count * (i + 1) + std::min(i + 1, length % count);
    out.push_back(sub_run(run, at, end - at));
    at = end;
  }
}

std::vector<CutPart> cut_with(const std::vector<Run>& runs, const CutLimits& limits,
                              std::uint64_t min) {
  std::vector<CutPart> out;
  for (const Run& run : widened(without_short_copies(runs, min), min))
    split(run, run.from ? limits.max_copy : limits.max_put, out);
  return out;
}

}  // namespace

std::vector<CutPart> cut_parts(std::uint64_t size, std::vector<ReusableRange> reusable,
                               const CutLimits& limits) {
  assert(limits.max_put >= 2 * limits.min_part && limits.max_copy >= 2 * limits.min_part);
  std::sort(reusable.begin(), reusable.end(),
            [](const auto& a, const auto& b) { return a.offset < b.offset; });
  if (size == 0) return {{{0, 0}, std::nullopt}};
  const std::vector<Run> runs = runs_of(size, reusable);
  std::uint64_t min = std::max<std::uint64_t>(limits.min_part, 1);
  auto out = cut_with(runs, limits, min);
  // Longer runs are fewer. In the end all is put, in as few parts as even cutting takes.
  while (out.size() > limits.max_count && min < size)
    out = cut_with(runs, limits, min = std::min(2 * min, size));
  return out;
}

std::vector<std::uint64_t> part_ends(const std::vector<CutPart>& parts) {
  std::vector<std::uint64_t> out;
  for (const auto& part : parts) out.push_back(part.range.end());
  return out;
}

}  // namespace dray
