#include "dray/cli/output.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/base/log.h"
#include "dray/base/time.h"

namespace dray::cli {

std::size_t terminal_width(std::FILE* file) {
  const int fd = fileno(file);
  if (fd < 0 || isatty(fd) == 0) return 0;
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

bool wants_color(When when, bool terminal) {
  if (when != When::automatic) return when == When::always;
  if (env("NO_COLOR")) return false;
  if (const auto force = env("CLICOLOR_FORCE"); force && *force != "0") return true;
  return terminal && env("TERM").value_or("") != "dumb" && env("CLICOLOR").value_or("1") != "0";
}

Output::Output(OutputOptions options, std::FILE* out, std::FILE* err)
    : options_(options),
      out_(out),
      err_(err),
      out_terminal_(isatty(fileno(out)) != 0),
      err_terminal_(isatty(fileno(err)) != 0),
      out_color_(wants_color(options.color, out_terminal_)),
      err_color_(wants_color(options.color, err_terminal_)) {}

void Output::write(std::FILE* file, std::string_view text) {
  const bool failed = std::fwrite(text.data(), 1, text.size(), file) != text.size();
  if (failed && file == out_ && write_errno_ == 0) write_errno_ = errno;
}

std::string Output::paint(std::string_view code, std::string_view text) const {
  return out_color_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

void Output::line(std::string_view text) {
  if (options_.json) return;
  write(out_, text);
  write(out_, "\n");
}

void Output::table(const Table& table) {
  if (options_.json) return;
  for (const auto& text : format_table(table, out_terminal_ ? terminal_width(out_) : 0)) line(text);
}

void Output::json(const nlohmann::json& value) {
  if (!options_.json) return;
  write(out_, dump_json(value));
  write(out_, "\n");
}

void Output::note(std::string_view text) {
  if (options_.quiet || options_.json) return;
  std::fflush(out_);  // both in order where they go to the same place
  write(err_, printable(text) + "\n");
}

void Output::warning(std::string_view text) {
  std::fflush(out_);
  if (options_.json) {
    write(err_, dump_json({{"type", "warning"}, {"message", text}}) + "\n");
    return;
  }
  const std::string_view label = err_color_ ? "\x1b[33mwarning:\x1b[0m" : "warning:";
  write(err_, fmt::format("{} {}\n", label, printable(text)));
}

void Output::next(std::string_view command) { note(fmt::format("next: {}", command)); }

namespace {

/// The hint of the error or of what caused it.
const std::string& hint_of(const Error& error) {
  const Error* hinted = &error;
  while (hinted->hint().empty() && hinted->cause() != nullptr) hinted = hinted->cause();
  return hinted->hint();
}

/// Further lines are indented, so that they are not taken for messages of their own.
std::string printable_lines(std::string_view text) {
  std::string out;
  for (;;) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out += printable(text.substr(0, end));
    if (end == text.size()) return out;
    out += "\n  ";
    text.remove_prefix(end + 1);
  }
}

}  // namespace

nlohmann::json error_json(const Error& error) {
  // Being stopped is not a fault: the same command goes on where it was.
  const bool retryable = error.retryable() || error.code() == Code::cancelled;
  Json body = {{"code", code_name(error.code())},
               {"message", error.what()},
               {"hint", hint_of(error)},
               {"retryable", retryable}};
  if (error.side() != Side::none) body["side"] = side_name(error.side());
  if (error.http_status() != 0) body["http_status"] = error.http_status();
  if (const std::string ids = error_references(error); !ids.empty()) body["ref"] = ids;
  return Json{{"error", std::move(body)}};
}

std::string error_references(const Error& error) {
  std::string ids;
  for (const Error* e = &error; e != nullptr; e = e->cause()) {
    if (e->request_id().empty()) continue;
    if (!ids.empty()) ids += ' ';
    ids += e->request_id();
  }
  return ids;
}

void Output::error(const Error& error) {
  std::fflush(out_);
  if (options_.json) {
    write(err_, dump_json(error_json(error)) + "\n");
    return;
  }
  if (error.code() == Code::cancelled) {  // what the user asked for is no error
    const std::string_view what = error.what();
    write(err_,
          fmt::format("{}\n", what.starts_with("Stopped.") ? printable_lines(what) : "Stopped."));
    return;
  }
  const std::string_view label = err_color_ ? "\x1b[31merror:\x1b[0m" : "error:";
  std::string text = fmt::format("{} {}\n", label, printable_lines(error.what()));
  if (!hint_of(error).empty()) text += fmt::format("hint: {}\n", printable_lines(hint_of(error)));
  if (const std::string ids = error_references(error); !ids.empty())
    text += fmt::format("ref: {}\n", printable(ids));
  write(err_, text);
}

void use_log_lines(bool json) {
  if (!json) {
    set_log_sink(nullptr);
    return;
  }
  set_log_sink([](LogLevel level, std::string_view line) {
    const std::string text = log_json(level, line);
    std::fwrite(text.data(), 1, text.size(), stderr);
  });
}

std::string log_json(LogLevel level, std::string_view line) {
  static constexpr std::string_view kNames[] = {"error", "warning", "info", "debug", "trace"};
  const std::string_view name = kNames[static_cast<std::size_t>(level)];
  // The line leads with its level for people.
  if (line.starts_with(name) && line.substr(name.size()).starts_with(": "))
    line.remove_prefix(name.size() + 2);
  return dump_json({{"type", "log"},
                    {"schema", 1},
                    {"ts", rfc3339(unix_now())},
                    {"level", name},
                    {"message", line}}) +
         "\n";
}

bool Output::finish() {
  if (std::fflush(out_) != 0 && write_errno_ == 0) write_errno_ = errno;
  if (write_errno_ == 0) return true;
  if (write_errno_ == EPIPE) return false;
  throw Error(Code::storage, std::strerror(write_errno_))
      .on("write", "standard output")
      .from(Side::local);
}

}  // namespace dray::cli
