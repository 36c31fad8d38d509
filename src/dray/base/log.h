// Log lines on stderr, one ladder of detail.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace dray {

enum class LogLevel { error, warn, info, debug, trace };

void set_log_level(LogLevel level);
LogLevel log_level();
/// Where complete lines go (default: stderr). The progress block puts itself here to keep logs
/// above it. Thread-safe; pass nullptr to go back to stderr.
void set_log_sink(std::function<void(LogLevel, std::string_view line)> sink);
void log_line(LogLevel level, std::string_view line);

template <typename... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (level <= log_level()) log_line(level, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::warn, format, std::forward<Args>(args)...);
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::info, format, std::forward<Args>(args)...);
}
template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::debug, format, std::forward<Args>(args)...);
}

}  // namespace dray
