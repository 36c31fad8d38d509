#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "dray/cli/command.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/text.h"

namespace dray::cli {

namespace {

struct Words {
  std::vector<std::string> first;                          // "import", "registry"
  std::map<std::string, std::vector<std::string>> second;  // "registry" → "register"
};

Words command_words() {
  Words words;
  for (const auto& command : command_table()) {
    if (command.hidden) continue;
    const std::size_t space = command.name.find(' ');
    const std::string first = command.name.substr(0, space);
    if (std::ranges::find(words.first, first) == words.first.end()) words.first.push_back(first);
    if (space != std::string::npos) words.second[first].push_back(command.name.substr(space + 1));
  }
  return words;
}

std::vector<std::string> flags_of(const Command& command) {
  std::vector<std::string> flags = {"--help"};
  for (const auto* option : all_options(command)) flags.push_back("--" + option->name);
  return flags;
}

/// Options with fixed values, over all commands (a name means the same everywhere).
std::map<std::string, std::vector<std::string>> choices() {
  std::map<std::string, std::vector<std::string>> found;
  for (const auto& command : command_table())
    for (const auto* option : all_options(command))
      if (!option->choices.empty()) found["--" + option->name] = option->choices;
  return found;
}

std::string bash() {
  const Words words = command_words();
  std::string out =
      "# bash completion of dray: eval \"$(dray completion bash)\"\n"
      "_dray() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  local first=${COMP_WORDS[1]} second=${COMP_WORDS[2]} list=\n"
      "  case $before in\n";
  for (const auto& [option, values] : choices())
    out += fmt::format("    {}) COMPREPLY=($(compgen -W \"{}\" -- \"$word\")); return;;\n", option,
                       fmt::join(values, " "));
  out += fmt::format(
      "  esac\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    COMPREPLY=($(compgen -W \"{} --help --version\" -- \"$word\")); return\n"
      "  fi\n",
      fmt::join(words.first, " "));
  for (const auto& [first, second] : words.second)
    out += fmt::format(
        "  if [ \"$COMP_CWORD\" -eq 2 ] && [ \"$first\" = {} ]; then\n"
        "    COMPREPLY=($(compgen -W \"{}\" -- \"$word\")); return\n"
        "  fi\n",
        first, fmt::join(second, " "));
  out += "  case \"$first $second\" in\n";
  // Two-word names first: their first word alone would match too.
  for (const bool two : {true, false})
    for (const auto& command : command_table())
      if (!command.hidden && (command.name.find(' ') != std::string::npos) == two)
        out += fmt::format("    {}) list=\"{}\";;\n",
                           two ? fmt::format("\"{}\"", command.name) : "\"" + command.name + " \"*",
                           fmt::join(flags_of(command), " "));
  return out +
         "  esac\n"
         "  case $word in\n"
         "    -*) COMPREPLY=($(compgen -W \"$list\" -- \"$word\"));;\n"
         "    *) COMPREPLY=($(compgen -f -- \"$word\"));;\n"
         "  esac\n"
         "}\n"
         "complete -o filenames -F _dray dray\n";
}

/// In single quotes, ':' and brackets escaped as _arguments and _describe want them.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else if (c == ':' || c == '[' || c == ']' || c == '\\') {
      out += fmt::format("\\{}", c);
    } else {
      out += c;
    }
  }
  return out;
}

std::string zsh() {
  const Words words = command_words();
  std::string out =
      "#compdef dray\n"
      "# zsh completion of dray: eval \"$(dray completion zsh)\"\n"
      "_dray() {\n"
      "  local -a list\n"
      "  if (( CURRENT == 2 )); then\n"
      "    list=(\n";
  for (const auto& first : words.first) {
    const Command* command = find_command(first);
    out += fmt::format("      '{}:{}'\n", first,
                       command != nullptr ? zsh_text(command->summary) : "commands");
  }
  out += "    )\n    _describe command list; return\n  fi\n";
  for (const auto& [first, second] : words.second) {
    out +=
        fmt::format("  if (( CURRENT == 3 )) && [[ $words[2] == {} ]]; then\n    list=(\n", first);
    for (const auto& name : second)
      out +=
          fmt::format("      '{}:{}'\n", name, zsh_text(find_command(first + " " + name)->summary));
    out += "    )\n    _describe command list; return\n  fi\n";
  }
  out += "  case \"$words[2] $words[3]\" in\n";
  for (const bool two : {true, false}) {
    for (const auto& command : command_table()) {
      if (command.hidden || (command.name.find(' ') != std::string::npos) != two) continue;
      out += two ? fmt::format("    \"{}\") _arguments -s \\\n", command.name)
                 : fmt::format("    \"{} \"*) _arguments -s \\\n", command.name);
      for (const auto* option : all_options(command)) {
        std::string value;
        if (!option->is_switch()) {
          value = option->choices.empty()
                      ? fmt::format(":{}:_files", zsh_text(option->value))
                      : fmt::format(":{}:({})", option->value, fmt::join(option->choices, " "));
        }
        out += fmt::format("      '{}--{}[{}]{}' \\\n", option->many ? "*" : "", option->name,
                           zsh_text(option->help), value);
      }
      out += "      '--help[tell about the command]' '*:argument:_files';;\n";
    }
  }
  return out + "  esac\n}\ncompdef _dray dray\n";
}

std::string fish() {
  const Words words = command_words();
  const auto quoted = [](const std::string& text) {
    std::string out = "'";
    for (const char c : text) {
      if (c == '\'' || c == '\\') out += '\\';
      out += c;
    }
    return out + "'";
  };
  std::string out = "# fish completion of dray: dray completion fish | source\n";
  for (const auto& first : words.first) {
    const Command* command = find_command(first);
    out += fmt::format("complete -c dray -n __fish_use_subcommand -f -a {} -d {}\n", first,
                       quoted(command != nullptr ? command->summary : "commands"));
  }
  for (const auto& [first, second] : words.second)
    for (const auto& name : second)
      out += fmt::format(
          "complete -c dray -n '__fish_seen_subcommand_from {}; and not "
          "__fish_seen_subcommand_from {}' "
          "-f -a {} -d {}\n",
          first, fmt::join(second, " "), name, quoted(find_command(first + " " + name)->summary));
  for (const auto& command : command_table()) {
    if (command.hidden) continue;
    std::string when = "__fish_seen_subcommand_from " + command.name;
    if (const std::size_t space = command.name.find(' '); space != std::string::npos)
      when = fmt::format("__fish_seen_subcommand_from {}; and __fish_seen_subcommand_from {}",
                         command.name.substr(0, space), command.name.substr(space + 1));
    for (const auto* option : all_options(command)) {
      std::string value;
      if (!option->choices.empty()) {
        value = fmt::format(" -x -a '{}'", fmt::join(option->choices, " "));
      } else if (!option->is_switch()) {
        value = " -r";
      }
      out += fmt::format("complete -c dray -n '{}' -l {}{} -d {}\n", when, option->name, value,
                         quoted(option->help));
    }
  }
  return out;
}

int run(Context& context) {
  const std::string shell = context.args().positional(0);
  std::string script;
  if (shell == "bash") script = bash();
  if (shell == "zsh") script = zsh();
  if (shell == "fish") script = fish();
  if (script.empty())
    throw Error(Code::usage, fmt::format("there is no completion for '{}'", shell))
        .hint("known: bash, zsh, fish");
  script.pop_back();
  context.out().line(script);
  context.out().json({{"shell", shell}, {"script", script}});
  return 0;
}

}  // namespace

Command completion_command() {
  return {.name = "completion",
          .group = "Set up",
          .summary = "print a script that completes commands and options in your shell",
          .positionals = {{"SHELL", "bash, zsh or fish"}},
          .examples = {{"eval \"$(dray completion bash)\"",
                        "for this shell; put it into ~/.bashrc to keep it"},
                       {"dray completion fish | source", "in fish"}},
          .run = run,
          .plain = true};
}

}  // namespace dray::cli
