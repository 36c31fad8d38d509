#include "dray/cli/progress_printer.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "dray/base/bytes.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/base/time.h"
#include "dray/cli/output.h"
#include "dray/cli/text.h"

namespace dray::cli {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr std::uint64_t kBigFile = kGiB;
constexpr std::size_t kMostFiles = 5;

bool utf8_locale() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const auto value = env(name);
    if (!value) continue;
    return value->find("UTF-8") != std::string::npos || value->find("utf8") != std::string::npos;
  }
  return false;
}

}  // namespace

ProgressSink stderr_sink() {
  ProgressSink sink;
  sink.write = [](std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::write(STDERR_FILENO, text.data(), text.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;  // nobody to tell
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  };
  sink.size = [] {
    winsize size{};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return Screen{};
    return Screen{size.ws_col, std::max<std::size_t>(size.ws_row, 4)};
  };
  sink.now_text = [] { return rfc3339(unix_now()); };
  return sink;
}

ProgressDisplay::ProgressDisplay(Progress& progress, ProgressText text, ProgressMode mode,
                                 ProgressSink sink)
    : progress_(progress), mode_(mode), sink_(std::move(sink)), text_(std::move(text)) {}

void ProgressDisplay::erase(std::string& out) {
  // Cursor to the first column, `drawn_` lines up, and clear from there to the end of the screen.
  if (drawn_ > 0) out += fmt::format("\x1b[{}F\x1b[J", drawn_);
  drawn_ = 0;
}

void ProgressDisplay::tick_block(const ProgressView& view, SteadyTime now) {
  if (last_ && now - *last_ < milliseconds(100)) return;
  last_ = now;
  const Screen screen = sink_.size();
  // One column is left free: terminals wrap when the last one is filled.
  const std::size_t most = std::min(kMostFiles, screen.rows > 6 ? screen.rows - 6 : 0);
  const auto lines = text_.block(view, screen.columns > 1 ? screen.columns - 1 : 1, most);
  std::string out;
  if (drawn_ > 0) out += fmt::format("\x1b[{}F", drawn_);
  for (const auto& line : lines) out += line + "\x1b[K\n";
  out += "\x1b[J";
  drawn_ = lines.size();
  sink_.write(out);
}

std::string ProgressDisplay::finished_files() {
  std::string out;
  for (const auto& file : progress_.take_finished()) {
    if (mode_ == ProgressMode::json) {
      out += dump_json({{"type", "file"},
                        {"schema", 1},
                        {"ts", sink_.now_text()},
                        {"path", file.path},
                        {"size", file.size}}) +
             "\n";
    } else if (file.size > kBigFile) {
      out += text_.file_line(file) + "\n";
    }
  }
  return out;
}

void ProgressDisplay::tick_lines(const ProgressView& view, SteadyTime now) {
  const bool json = mode_ == ProgressMode::json;
  std::string out = finished_files();
  const auto percent = ProgressText::percent(view);
  // What has no total yet is told only when it takes long; afterwards nothing is silent for more
  // than ten seconds.
  if (!began_) began_ = now;
  const auto passed = now - last_.value_or(*began_);
  bool due = passed >= seconds(10);
  if (percent) {
    const bool begins = !last_percent_;
    const bool step = last_percent_ && *percent / 5 != *last_percent_ / 5;
    due = due || begins || (passed >= seconds(1) && (step || json));
  }
  if (due) {
    out += json ? dump_json(text_.json(view, last_ ? "progress" : "start", sink_.now_text()))
                : text_.line(view);
    out += "\n";
    last_ = now;
    last_percent_ = percent;
  }
  if (!out.empty()) sink_.write(out);
}

void ProgressDisplay::tick(SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (finished_ || mode_ == ProgressMode::none) return;
  const ProgressView view = progress_.view();
  text_.sample(view, now);
  if (mode_ == ProgressMode::tty) {
    tick_block(view, now);
  } else {
    tick_lines(view, now);
  }
}

void ProgressDisplay::finish(SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  finished_ = true;
  std::string out;
  const ProgressView view = progress_.view();
  text_.sample(view, now);
  if (mode_ == ProgressMode::tty) {
    erase(out);
  } else if (mode_ != ProgressMode::none && last_percent_) {
    out = finished_files();
    out += mode_ == ProgressMode::json ? dump_json(text_.json(view, "end", sink_.now_text()))
                                       : text_.line(view);
    out += "\n";
  }
  if (!out.empty()) sink_.write(out);
}

void ProgressDisplay::log(LogLevel level, std::string_view line) {
  const std::lock_guard lock(mutex_);
  std::string out;
  if (mode_ == ProgressMode::json) {
    out = log_json(level, line);
  } else {
    erase(out);
    out += line;
    out += "\n";
  }
  sink_.write(out);
  last_ =
      mode_ == ProgressMode::tty ? std::nullopt : last_;  // the block comes back with the next tick
}

void ProgressDisplay::tell() {
  const ProgressView view = progress_.view();
  std::string text;
  {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    text = text_.line(view);
  }
  for (const auto& file : view.active)
    text += fmt::format("\n  {}: {} of {}", printable(file.path), human_size(file.done),
                        human_size(file.size));
  log(LogLevel::info, text);
}

ProgressPrinter::ProgressPrinter(Progress& progress, const std::string& subject, ProgressMode mode,
                                 std::function<void()> restore_logs, ProgressSink sink)
    : display_(progress, ProgressText(subject, utf8_locale()), mode, std::move(sink)),
      restore_logs_(std::move(restore_logs)) {
  if (mode == ProgressMode::none) return;
  set_log_sink([this](LogLevel level, std::string_view line) { display_.log(level, line); });
  const milliseconds step = mode == ProgressMode::tty ? milliseconds(100) : milliseconds(250);
  thread_ = std::jthread([this, step](const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      // A run that is over at once shows nothing.
      wake_.wait_for(lock, stop, step, [&stop] { return stop.stop_requested(); });
      if (!stop.stop_requested()) display_.tick(std::chrono::steady_clock::now());
    }
  });
}

ProgressPrinter::~ProgressPrinter() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
  display_.finish(std::chrono::steady_clock::now());
  restore_logs_();
}

ProgressMode progress_mode(const std::string& wanted, bool quiet, bool json) {
  if (wanted == "tty") return ProgressMode::tty;
  if (wanted == "plain") return ProgressMode::plain;
  if (wanted == "json") return ProgressMode::json;
  if (wanted == "none" || quiet) return ProgressMode::none;
  if (isatty(STDERR_FILENO) != 0 && env("TERM").value_or("") != "dumb") return ProgressMode::tty;
  return json ? ProgressMode::json : ProgressMode::plain;
}

}  // namespace dray::cli
