// Shows the progress of a transfer on stderr while it runs.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "dray/base/log.h"
#include "dray/cli/progress_text.h"
#include "dray/transfer/progress.h"

namespace dray::cli {

enum class ProgressMode {
  tty,    // a block that is redrawn, at most ten times a second; log lines go above it
  plain,  // complete lines: start, every 10 s or 5 % (at most one a second), each finished file
          // above 1 GiB, end
  json,   // JSON lines: start, progress once a second, file, log, end
  none,
};

struct Screen {
  std::size_t columns = 80, rows = 24;
};

/// Where the display goes; tests put their own terminal here.
struct ProgressSink {
  std::function<void(std::string_view)> write;  // bytes to stderr, in one piece
  std::function<Screen()> size;
  std::function<std::string()> now_text;  // RFC 3339, for JSON
};
ProgressSink stderr_sink();

/// The display itself, driven by calls. Thread-safe.
class ProgressDisplay {
 public:
  ProgressDisplay(Progress& progress, ProgressText text, ProgressMode mode, ProgressSink sink);

  /// Draws what is due at `now`.
  void tick(SteadyTime now);
  /// Last line; the block is taken away. Later calls draw nothing.
  void finish(SteadyTime now);
  /// A log line, above the block.
  void log(LogLevel level, std::string_view line);
  /// The state as a few lines, for SIGUSR1.
  void tell();

 private:
  void tick_block(const ProgressView& view, SteadyTime now);
  void tick_lines(const ProgressView& view, SteadyTime now);
  std::string finished_files();
  void erase(std::string& out);

  Progress& progress_;
  const ProgressMode mode_;
  const ProgressSink sink_;
  std::mutex mutex_;
  ProgressText text_;
  std::size_t drawn_ = 0;                   // lines of the block on the screen
  std::optional<SteadyTime> began_, last_;  // of the display; of the last drawing
  std::optional<int> last_percent_;
  bool finished_ = false;
};

/// A display on stderr with a thread that drives it and the log sink set to it; all undone when it
/// goes away.
class ProgressPrinter {
 public:
  /// `restore_logs` puts back the log sink that was before.
  ProgressPrinter(Progress& progress, const std::string& subject, ProgressMode mode,
                  std::function<void()> restore_logs, ProgressSink sink = stderr_sink());
  ~ProgressPrinter();
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;
  void tell() { display_.tell(); }

 private:
  ProgressDisplay display_;
  std::function<void()> restore_logs_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

/// "auto" by whether stderr is a terminal; in JSON mode elsewhere, JSON.
ProgressMode progress_mode(const std::string& wanted, bool quiet, bool json);

}  // namespace dray::cli
