#include "dray/cli/help.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "dray/cli/text.h"

namespace dray::cli {

namespace {

std::string usage(const Command& command) {
  std::string out = "dray " + command.name;
  for (const auto& positional : command.positionals) {
    const std::string name = positional.name + (positional.many ? "…" : "");
    out += positional.required ? " " + name : fmt::format(" [{}]", name);
  }
  return out + " [options]";
}

/// A summary of the table as a sentence.
std::string sentence(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z')
    text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text + ".";
}

std::string option_words(const Option& option) {
  std::string out = option.letter != 0 ? fmt::format("-{}, --{}", option.letter, option.name)
                                       : "--" + option.name;
  if (!option.also.empty()) out += ", --" + option.also;
  if (!option.is_switch()) out += " " + option.value;
  return out;
}

/// "what it does; one of a, b; can be given again (default x)".
std::string option_meaning(const Option& option) {
  std::string out = option.help;
  if (!option.choices.empty()) out += fmt::format(": {}", fmt::join(option.choices, ", "));
  if (option.many && !option.is_switch()) out += "; can be given again";
  if (!option.standard.empty()) out += fmt::format(" (default {})", option.standard);
  return out;
}

std::vector<std::string> option_variables(const Option& option) {
  if (option.typed) return {};
  std::vector<std::string> names = {env_name(option.name)};
  if (!option.also.empty()) names.push_back(env_name(option.also));
  if (!option.native_env.empty()) names.push_back(option.native_env);
  return names;
}

/// Two columns: words on the left, wrapped text on the right.
void add_rows(std::string& out, const std::vector<std::pair<std::string, std::string>>& rows,
              std::size_t width) {
  std::size_t left = 0;
  for (const auto& row : rows) left = std::max(left, display_width(row.first));
  left = std::min<std::size_t>(left, 28);
  for (const auto& [words, text] : rows) {
    const bool beside = display_width(words) <= left;
    out += "  " + (beside ? pad(words, left) : words + "\n  " + std::string(left, ' '));
    bool first = true;
    for (const auto& line : wrap(text, width > left + 24 ? width - left - 4 : 20)) {
      out += first ? "  " : std::string(left + 4, ' ');
      out += line + "\n";
      first = false;
    }
  }
}

void add_examples(std::string& out, const std::vector<Example>& examples) {
  if (examples.empty()) return;
  out += "Examples:\n";
  for (const auto& example : examples)
    out += fmt::format("  {}\n      {}\n", example.line, example.what);
  out += "\n";
}

void add_options(std::string& out, std::string_view title, const std::vector<Option>& options,
                 std::size_t width) {
  if (options.empty()) return;
  std::vector<std::pair<std::string, std::string>> rows;
  for (const auto& option : options) {
    const auto variables = option_variables(option);
    rows.emplace_back(option_words(option), variables.empty()
                                                ? option_meaning(option)
                                                : fmt::format("{} [{}]", option_meaning(option),
                                                              fmt::join(variables, ", ")));
  }
  out += fmt::format("\n{}:\n", title);
  add_rows(out, rows, width);
}

const std::vector<Example>& first_examples() {
  static const std::vector<Example> examples = {
      {"dray demo", "the whole job in a minute, without network or setup"},
      {"dray import hf://openai-community/gpt2", "into the default store, verified and registered"},
      {"dray import hf://org/model --to s3://bucket --alias production",
       "into S3, and make it the one in production"},
      {"dray list", "what is there"},
      {"dray pull model@production ./model", "back into a folder"},
  };
  return examples;
}

void add_commands(std::string& out, std::string_view prefix, std::size_t width) {
  std::vector<std::string> groups;
  for (const auto& command : command_table())
    if (!command.hidden && command.name.starts_with(prefix) &&
        std::ranges::find(groups, command.group) == groups.end())
      groups.push_back(command.group);
  for (const auto& group : groups) {
    std::vector<std::pair<std::string, std::string>> rows;
    for (const auto& command : command_table())
      if (!command.hidden && command.group == group && command.name.starts_with(prefix))
        rows.emplace_back(command.name, command.summary);
    out += fmt::format("\n{}:\n", group);
    add_rows(out, rows, width);
  }
}

/// '|' would end a cell.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string options_markdown(const std::vector<Option>& options) {
  std::string out = "| option | meaning | environment |\n|---|---|---|\n";
  for (const auto& option : options) {
    const auto variables = option_variables(option);
    out += fmt::format(
        "| `{}` | {} | {} |\n", cell(option_words(option)), cell(option_meaning(option)),
        variables.empty() ? "none: it is typed" : fmt::format("`{}`", fmt::join(variables, "` `")));
  }
  return out;
}

}  // namespace

std::string overview(std::size_t width) {
  std::string out =
      "dray carries models from where they are published to where they are served.\n\n";
  add_examples(out, first_examples());
  out += "Usage: dray COMMAND [options]\n";
  add_commands(out, "", width);
  out += fmt::format("\n`dray COMMAND --help` tells more; `dray help TOPIC` about {}.\n",
                     fmt::join(topic_names(), ", "));
  return out;
}

std::string group_help(const std::string& group, std::size_t width) {
  std::string out = fmt::format("Usage: dray {} COMMAND [options]\n", group);
  add_commands(out, group + " ", width);
  return out;
}

std::string command_help(const Command& command, std::size_t width) {
  std::string out;
  add_examples(out, command.examples);
  for (const auto& line : wrap(sentence(command.summary), width)) out += line + "\n";
  if (!command.details.empty()) {
    out += "\n";
    for (const auto& line : wrap(command.details, width)) out += line + "\n";
  }
  out += fmt::format("\nUsage: {}\n", usage(command));
  if (!command.positionals.empty()) {
    std::vector<std::pair<std::string, std::string>> rows;
    for (const auto& positional : command.positionals)
      rows.emplace_back(positional.name, positional.help);
    out += "\nArguments:\n";
    add_rows(out, rows, width);
  }
  add_options(out, "Options", command.options, width);
  add_options(out, "Options of every command", global_options(), width);
  return out;
}

std::string commands_markdown() {
  std::string out =
      "# Commands\n\n"
      "Made by `dray help --markdown` from the table that also drives `--help`; change that, not "
      "this "
      "page.\nEvery option can be set by its environment variable; several values are separated by "
      "commas there. Which of\nflag, variable and file counts: [configuration](configuration.md). "
      "[Exit codes](exit-codes.md).\n\n";
  for (const auto& command : command_table())
    if (!command.hidden)
      out += fmt::format(
          "- [`dray {}`](#dray-{}): {}\n", command.name,
          [&] {
            std::string anchor = command.name;
            std::ranges::replace(anchor, ' ', '-');
            return anchor;
          }(),
          command.summary);
  for (const auto& command : command_table()) {
    if (command.hidden) continue;
    out += fmt::format("\n## dray {}\n\n{}\n", command.name, sentence(command.summary));
    if (!command.examples.empty()) {
      out += "\n```sh\n";
      for (const auto& example : command.examples)
        out += fmt::format("{}   # {}\n", example.line, example.what);
      out += "```\n";
    }
    if (!command.details.empty()) out += "\n" + command.details + "\n";
    out += fmt::format("\nUsage: `{}`\n", usage(command));
    if (!command.positionals.empty()) {
      out += "\n| argument | meaning |\n|---|---|\n";
      for (const auto& positional : command.positionals)
        out += fmt::format("| `{}` | {} |\n", positional.name, cell(positional.help));
    }
    if (!command.options.empty()) out += "\n" + options_markdown(command.options);
  }
  out += "\n## Options of every command\n\n" + options_markdown(global_options());
  return out;
}

}  // namespace dray::cli
