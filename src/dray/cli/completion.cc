#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "dray/cli/command.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/help.h"
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
  for (const auto* option : all_options(command)) {
    flags.push_back("--" + option->name);
    if (!option->also.empty()) flags.push_back("--" + option->also);
  }
  return flags;
}

/// What the command's first argument can be, where that is known; else it is completed as a file.
std::vector<std::string> argument_words(const Command& command) {
  if (command.name == "completion") return {"bash", "zsh", "fish"};
  std::vector<std::string> words;
  if (command.name != "help") return words;
  words = topic_names();
  for (const auto& other : command_table())
    if (!other.hidden) words.push_back(other.name.substr(0, other.name.find(' ')));
  std::ranges::sort(words);
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

/// Numbers and sizes are no files.
bool is_file_perhaps(const Option& option) { return option.kind == Kind::text; }

/// Options with fixed values, over all commands (a name means the same everywhere).
std::map<std::string, std::vector<std::string>> choices() {
  std::map<std::string, std::vector<std::string>> found;
  for (const auto& command : command_table())
    for (const auto* option : all_options(command))
      if (!option->choices.empty()) found["--" + option->name] = option->choices;
  return found;
}

/// Two-word names first: where the first word alone is a command too, it would match both.
std::vector<const Command*> longest_names_first() {
  std::vector<const Command*> commands;
  for (const bool two : {true, false})
    for (const auto& command : command_table())
      if (!command.hidden && (command.name.find(' ') != std::string::npos) == two)
        commands.push_back(&command);
  return commands;
}

/// A pattern of `case "$first $second"`.
std::string case_of(const Command& command) {
  return command.name.find(' ') != std::string::npos ? fmt::format("\"{}\"", command.name)
                                                     : fmt::format("\"{} \"*", command.name);
}

std::string bash() {
  const Words words = command_words();
  std::string out =
      "# bash completion of dray: eval \"$(dray completion bash)\"\n"
      "_dray() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  local first=${COMP_WORDS[1]} second=${COMP_WORDS[2]} list= words=\n"
      "  # bash takes --progress=plain for three words.\n"
      "  if [ \"$word\" = = ]; then word=; fi\n"
      "  if [ \"$before\" = = ]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
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
  for (const Command* command : longest_names_first()) {
    out +=
        fmt::format("    {}) list=\"{}\"", case_of(*command), fmt::join(flags_of(*command), " "));
    if (const auto known = argument_words(*command); !known.empty())
      out += fmt::format(" words=\"{}\"", fmt::join(known, " "));
    out += ";;\n";
  }
  return out +
         "  esac\n"
         "  case $word in\n"
         "    -*) COMPREPLY=($(compgen -W \"$list\" -- \"$word\")); return;;\n"
         "  esac\n"
         "  if [ -n \"$words\" ]; then\n"
         "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\")); return\n"
         "  fi\n"
         "  local IFS=$'\\n'\n"
         "  COMPREPLY=($(compgen -f -- \"$word\"))\n"
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

/// One argument of _arguments: '(-q --quiet)'{-q,--quiet}'[print names only]'.
std::string zsh_option(const Option& option) {
  std::vector<std::string> names = {"--" + option.name};
  if (option.letter != 0) names.insert(names.begin(), fmt::format("-{}", option.letter));
  if (!option.also.empty()) names.push_back("--" + option.also);
  std::string value;
  if (!option.is_switch()) {
    value = fmt::format(":{}:", zsh_text(option.value));
    if (!option.choices.empty()) {
      value += fmt::format("({})", fmt::join(option.choices, " "));
    } else if (is_file_perhaps(option)) {
      value += "_files";
    }
  }
  const std::string rest = fmt::format("[{}]{}", zsh_text(option.help), value);
  const std::string once = option.many ? "*" : fmt::format("({})", fmt::join(names, " "));
  if (names.size() == 1) return fmt::format("'{}{}{}'", once, names.front(), rest);
  return fmt::format("'{}'{{{}}}'{}'", once, fmt::join(names, ","), rest);
}

std::string zsh() {
  const Words words = command_words();
  std::string out =
      "#compdef dray\n"
      "# zsh completion of dray: eval \"$(dray completion zsh)\", or a file _dray in $fpath\n"
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
  for (const Command* command : longest_names_first()) {
    out += fmt::format("    {}) _arguments \\\n", case_of(*command));
    for (const auto* option : all_options(*command))
      out += fmt::format("      {} \\\n", zsh_option(*option));
    const auto known = argument_words(*command);
    out += fmt::format("      '--help[tell about the command]' '*:argument:{}';;\n",
                       known.empty() ? "_files" : fmt::format("({})", fmt::join(known, " ")));
  }
  return out +
         "  esac\n"
         "}\n"
         "# As a file in $fpath this is the function's own first call; else it is being set up.\n"
         "if [[ ${funcstack[1]-} == _dray ]]; then\n"
         "  _dray \"$@\"\n"
         "else\n"
         "  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n"
         "  compdef _dray dray\n"
         "fi\n";
}

std::string fish_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string fish_option(const Command& command, const Option& option) {
  std::string out =
      fmt::format("complete -c dray -n '__dray_is {}' -l {}", command.name, option.name);
  if (!option.also.empty()) out += " -l " + option.also;
  if (option.letter != 0) out += fmt::format(" -s {}", option.letter);
  if (!option.choices.empty()) {
    out += fmt::format(" -x -a '{}'", fmt::join(option.choices, " "));
  } else if (!option.is_switch()) {
    out += is_file_perhaps(option) ? " -r" : " -x";
  }
  return fmt::format("{} -d {}\n", out, fish_quoted(option.help));
}

std::string fish() {
  const Words words = command_words();
  std::string out =
      "# fish completion of dray: dray completion fish | source\n"
      "# Whether the words before the cursor begin with these.\n"
      "function __dray_is\n"
      "  set -l words (commandline -opc)\n"
      "  set -e words[1]\n"
      "  test (count $words) -ge (count $argv); or return 1\n"
      "  for i in (seq (count $argv))\n"
      "    test \"$words[$i]\" = \"$argv[$i]\"; or return 1\n"
      "  end\n"
      "end\n";
  for (const auto& first : words.first) {
    const Command* command = find_command(first);
    out += fmt::format("complete -c dray -n __fish_use_subcommand -f -a {} -d {}\n", first,
                       fish_quoted(command != nullptr ? command->summary : "commands"));
  }
  for (const auto& [first, second] : words.second)
    for (const auto& name : second)
      out += fmt::format(
          "complete -c dray -n '__dray_is {}; and test (count (commandline -opc)) -eq 2' "
          "-f -a {} -d {}\n",
          first, name, fish_quoted(find_command(first + " " + name)->summary));
  for (const auto& command : command_table()) {
    if (command.hidden) continue;
    for (const auto* option : all_options(command)) out += fish_option(command, *option);
    out += fmt::format("complete -c dray -n '__dray_is {}' -l help -d 'tell about the command'\n",
                       command.name);
    if (const auto known = argument_words(command); !known.empty())
      out += fmt::format("complete -c dray -n '__dray_is {}' -f -a '{}'\n", command.name,
                         fmt::join(known, " "));
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
                       {"dray completion zsh > ~/.zfunc/_dray", "a folder of zsh's $fpath"},
                       {"dray completion fish | source",
                        "in fish; into ~/.config/fish/completions/dray.fish to keep it"}},
          .run = run,
          .plain = true};
}

}  // namespace dray::cli
