// What a command says: data on stdout, everything else on stderr.
#pragma once

#include <cstdio>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/cli/text.h"

namespace dray::cli {

enum class When { automatic, always, never };

struct OutputOptions {
  bool json = false;   // data as one JSON object a line; errors as JSON too
  bool quiet = false;  // only what a script needs: names, no notes
  When color = When::automatic;
};

/// Not thread-safe: used by the main thread. Outside text in notes and tables is made printable.
class Output {
 public:
  explicit Output(OutputOptions options, std::FILE* out = stdout, std::FILE* err = stderr);

  bool is_json() const { return options_.json; }
  bool is_quiet() const { return options_.quiet; }
  bool err_is_terminal() const { return err_terminal_; }

  /// Data for people and pipes; a line. Nothing in JSON mode, where only `json` writes to stdout.
  void line(std::string_view text);
  void table(const Table& table);
  /// One object, one line, on stdout; only in JSON mode. The last one is the result.
  void json(const nlohmann::json& value);

  /// What was said so far is seen now, also in a pipe.
  void flush() { std::fflush(out_); }

  /// On stderr, for people: not in JSON mode, not when quiet.
  void note(std::string_view text);
  /// On stderr, always; {"type":"warning", …} in JSON mode, where all of stderr is one object a
  /// line.
  void warning(std::string_view text);
  /// "next: …": the command that people want after this one.
  void next(std::string_view command);

  /// "error: …", "hint: …", "ref: …" on stderr, or {"error": …} in JSON mode.
  void error(const Error& error);

  /// ANSI colour around text meant for stdout, if that is wanted there.
  std::string good(std::string_view text) const { return paint("32", text); }
  std::string careful(std::string_view text) const { return paint("33", text); }
  std::string bad(std::string_view text) const { return paint("31", text); }
  std::string strong(std::string_view text) const { return paint("1", text); }

  /// Flushes stdout; a write that failed (disk full) is Code::storage. A reader that went away is
  /// no error: false.
  bool finish();

 private:
  std::string paint(std::string_view code, std::string_view text) const;
  void write(std::FILE* file, std::string_view text);

  OutputOptions options_;
  std::FILE* out_;
  std::FILE* err_;
  bool out_terminal_, err_terminal_, out_color_, err_color_;
  int write_errno_ = 0;
};

/// Log lines go to stderr as text, or as {"type":"log", …} lines.
void use_log_lines(bool json);
/// One such JSON line, its end included.
std::string log_json(LogLevel level, std::string_view line);

/// The object that JSON mode prints for an error.
nlohmann::json error_json(const Error& error);
/// All request ids of the error and its causes, separated by spaces.
std::string error_references(const Error& error);

/// Columns of the terminal behind `file`, 0 if it is none.
std::size_t terminal_width(std::FILE* file);
/// Whether to colour: NO_COLOR, CLICOLOR_FORCE, TERM and whether it is a terminal.
bool wants_color(When when, bool terminal);

}  // namespace dray::cli
