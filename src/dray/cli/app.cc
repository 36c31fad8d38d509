#include "dray/cli/app.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/base/log.h"
#include "dray/cli/args.h"
#include "dray/cli/config.h"
#include "dray/cli/context.h"
#include "dray/cli/help.h"
#include "dray/cli/output.h"
#include "dray/cli/parse.h"
#include "dray/cli/signals.h"

extern char** environ;

namespace dray::cli {

namespace {

std::optional<std::string> environment(const std::string& name) { return env(name.c_str()); }

std::size_t page_width() {
  const std::size_t width = terminal_width(stdout);
  return width == 0 ? 100 : std::min<std::size_t>(width, 110);
}

/// Help, version and the overview: nothing is opened for them.
void print_page(const Invocation& invocation, Output& out) {
  std::string page;
  if (invocation.version) {
    out.line("dray " DRAY_VERSION);
    out.json({{"version", DRAY_VERSION}});
    return;
  }
  if (invocation.command != nullptr) {
    page = command_help(*invocation.command, page_width());
  } else if (!invocation.group.empty()) {
    page = group_help(invocation.group, page_width());
  } else {
    page = overview(page_width());
  }
  page.pop_back();  // `line` ends it
  out.line(page);
  out.json({{"help", page}});
}

Config read_config(const Invocation& invocation) {
  // These two decide about the files, so no file can set them.
  const Config none;
  const auto setting = [&](std::string_view name) {
    return resolve_setting(*find_option(*invocation.command, name), invocation, environment, none);
  };
  const auto off = setting("no-config");
  if (off && off->values.back() == "true") return {};
  if (const auto file = setting("config"))
    return load_config_file(expand_home(file->values.back()));
  return load_config(default_places());
}

OutputOptions output_options(const Args& args) {
  OutputOptions options;
  options.json = args.flag("json");
  options.quiet = args.flag("quiet");
  const std::string color = args.text("color");
  options.color = color == "always"  ? When::always
                  : color == "never" ? When::never
                                     : When::automatic;
  return options;
}

void set_logging(const Args& args) {
  const int more = args.times("verbose");
  set_log_level(more >= 2            ? LogLevel::trace
                : more == 1          ? LogLevel::debug
                : args.flag("quiet") ? LogLevel::warn
                                     : LogLevel::info);
  use_log_lines(args.flag("json"));
}

void warn_of_misspelt_variables(Output& out) {
  std::vector<std::string> names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    names.emplace_back(text.substr(0, text.find('=')));
  }
  for (const auto& [name, meant] : misspelt_variables(names))
    out.warning(fmt::format("the variable {} means nothing; did you mean {}?", name, meant));
}

/// A variable that somebody left set must not decide silently what is written or removed.
void tell_what_the_environment_decides(const Command& command, const Args& args, Output& out) {
  if (!changes_things(command)) return;
  for (const auto& [name, flag] : ignored_variables(command, environment))
    out.warning(fmt::format("the variable {} means nothing: type {} to confirm", name, flag));
  if (const auto told = args.told_by_environment(); !told.empty())
    info("set by the environment: {}", fmt::join(told, ", "));
}

/// The command line as a shell takes it. It holds no secrets: no flag takes one.
std::string command_line(const std::vector<std::string>& words) {
  std::string line = "dray";
  for (const auto& word : words) line += " " + shell_word(word);
  return line;
}

int run_command(const Invocation& invocation, const std::vector<std::string>& words) {
  const Command& command = *invocation.command;
  const Config config = command.plain ? Config() : read_config(invocation);
  Args args(command, invocation, environment, config);
  Output out(output_options(args));
  set_logging(args);
  if (!command.plain) warn_of_misspelt_variables(out);
  tell_what_the_environment_decides(command, args, out);
  Signals signals([] { info("stopping; once more stops at once"); });
  signals.on_state([&command] { info("dray {}: no transfer is under way", command.name); });
  try {
    Context context(command, std::move(args), config, out, signals, command_line(words));
    const int status = command.run(context);
    out.finish();
    return status;
  } catch (...) {
    const Error error = current_error();
    out.error(error);
    if (error.code() == Code::cancelled && signals.received() != 0) return 128 + signals.received();
    return exit_status(error.code());
  }
}

}  // namespace

int run_app(const std::vector<std::string>& words) {
  OutputOptions options;
  options.json = asks_for_json(words) || env("DRAY_JSON").value_or("0") == "1";
  Output out(options);
  try {
    const Invocation invocation = parse_command_line(words);
    if (invocation.help || invocation.version || invocation.command == nullptr) {
      print_page(invocation, out);
      out.finish();
      return 0;
    }
    return run_command(invocation, words);
  } catch (...) {
    const Error error = current_error();
    out.error(error);
    return exit_status(error.code());
  }
}

}  // namespace dray::cli
