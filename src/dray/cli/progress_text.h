// The words of a progress display. No I/O and no clock: the time is an argument.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dray/transfer/progress.h"

namespace dray::cli {

using SteadyTime = std::chrono::steady_clock::time_point;

/// Bytes a second over the last ten seconds.
class RateMeter {
 public:
  void add(SteadyTime now, std::uint64_t bytes);
  /// nullopt before half a second of samples.
  std::optional<double> rate() const;

 private:
  std::deque<std::pair<SteadyTime, std::uint64_t>> samples_;
};

class ProgressText {
 public:
  /// `subject` leads every line: "llama:1.0.0". `unicode`: the bar may use block characters.
  ProgressText(std::string subject, bool unicode)
      : subject_(std::move(subject)), unicode_(unicode) {}

  /// Feeds the rate; call before the others, with times that do not go back.
  void sample(const ProgressView& view, SteadyTime now);

  /// "llama:1.0.0: 42 %, 1.2 of 2.8 GiB, 312.4 MiB/s, 0:05 left, 3 of 12 files".
  std::string line(const ProgressView& view) const;
  /// The live block: a total line, what it waits for, and up to `most_files` active files; each at
  /// most `width` columns.
  std::vector<std::string> block(const ProgressView& view, std::size_t width,
                                 std::size_t most_files) const;
  /// One object of `--progress json`; `ts` in RFC 3339.
  nlohmann::json json(const ProgressView& view, const std::string& type,
                      const std::string& ts) const;
  std::string file_line(const FileProgress& file) const;

  static std::optional<int> percent(const ProgressView& view);
  std::optional<std::chrono::seconds> left(const ProgressView& view) const;

 private:
  std::string bar(double share, std::size_t cells) const;
  std::string subject_;
  bool unicode_;
  RateMeter meter_;
};

}  // namespace dray::cli
