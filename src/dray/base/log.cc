#include "dray/base/log.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>

namespace dray {

namespace {

std::atomic<LogLevel> g_level{LogLevel::info};

struct Sink {
  std::mutex mutex;
  std::function<void(LogLevel, std::string_view)> write;
};

Sink& sink() {
  // Never destroyed: threads may still log while the process ends.
  static Sink& instance = *new Sink;
  return instance;
}

std::string_view prefix(LogLevel level) {
  switch (level) {
    case LogLevel::error:
      return "error: ";
    case LogLevel::warn:
      return "warning: ";
    case LogLevel::debug:
      return "debug: ";
    case LogLevel::trace:
      return "trace: ";
    case LogLevel::info:
      break;
  }
  return "";
}

/// Text from servers ends up in logs; it must not move the cursor or recolour a terminal.
bool is_unsafe(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t' && c != '\n') || byte == 0x7F;
}

}  // namespace

void set_log_level(LogLevel level) { g_level.store(level, std::memory_order_relaxed); }

LogLevel log_level() { return g_level.load(std::memory_order_relaxed); }

void set_log_sink(std::function<void(LogLevel, std::string_view line)> write) {
  const std::lock_guard lock(sink().mutex);
  sink().write = std::move(write);
}

void log_line(LogLevel level, std::string_view line) {
  if (level > log_level()) return;
  std::string text(prefix(level));
  text += line;
  std::ranges::replace_if(text, is_unsafe, '?');

  const std::lock_guard lock(sink().mutex);
  if (sink().write) {
    sink().write(level, text);
    return;
  }
  text += '\n';
  // One call a line, so that lines of other processes on the same terminal do not mix with ours.
  std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace dray
