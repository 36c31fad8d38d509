#include "dray/cli/parse.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <utility>

#include "dray/base/error.h"
#include "dray/cli/suggest.h"

namespace dray::cli {

namespace {

bool is_option(std::string_view word) { return word.size() > 1 && word.front() == '-'; }

std::string_view option_part(std::string_view word) { return word.substr(0, word.find('=')); }

bool takes_next_word(std::string_view word) {
  if (word.find('=') != std::string_view::npos) return false;
  for (const auto& option : global_options())
    if (!option.is_switch() && word == "--" + option.name) return true;
  return false;
}

struct Found {
  const Command* command = nullptr;
  std::string group;
  std::vector<std::string> rest;  // all other words
};

Error unknown_command(const std::string& typed, std::string_view group) {
  std::vector<std::string> names;
  for (const auto& command : command_table())
    if (!command.hidden) names.push_back(command.name);
  std::string likely = group.empty() ? familiar_command(typed) : "";
  if (likely.empty()) likely = closest(typed, names);
  if (likely.empty()) {
    // A slip in the first of two words.
    for (const auto& name : names)
      if (closest(typed, {name.substr(0, name.find(' '))}) != "") likely = name;
  }
  return Error(Code::usage, fmt::format("there is no command '{}'", typed))
      .hint(likely.empty() ? "`dray help` lists the commands"
                           : fmt::format("did you mean `dray {}`?", likely));
}

Found find_words(const std::vector<std::string>& words) {
  Found found;
  std::size_t at = 0;
  // Global flags may stand before the command.
  for (; at < words.size() && is_option(words[at]); ++at) {
    if (words[at] == "--") break;
    found.rest.push_back(words[at]);
    if (takes_next_word(words[at]) && at + 1 < words.size()) found.rest.push_back(words[++at]);
  }
  if (at == words.size()) return found;
  const std::string& first = words[at];
  if (at + 1 < words.size()) found.command = find_command(first + " " + words[at + 1]);
  std::size_t used = found.command != nullptr ? 2 : 1;
  if (found.command == nullptr) found.command = find_command(first);
  if (found.command == nullptr) {
    const auto in_group = [&](const Command& c) { return c.name.starts_with(first + " "); };
    if (!std::ranges::any_of(command_table(), in_group)) throw unknown_command(first, "");
    found.group = first;
    const bool more = at + 1 < words.size() && !is_option(words[at + 1]);
    if (more) throw unknown_command(first + " " + words[at + 1], first);
  }
  found.rest.insert(found.rest.end(), words.begin() + static_cast<std::ptrdiff_t>(at + used),
                    words.end());
  return found;
}

std::string usage_line(const Command& command) {
  return command.examples.empty() ? fmt::format("see `dray {} --help`", command.name)
                                  : fmt::format("for example: {}", command.examples.front().line);
}

Error unknown_option(const Command* command, const std::string& word) {
  const std::string typed(option_part(word));
  static constexpr std::string_view kSecrets[] = {"--token",  "--hf-token",   "--password",
                                                  "--secret", "--secret-key", "--access-key"};
  for (const auto secret : kSecrets) {
    if (typed == secret)
      return Error(Code::usage, fmt::format("there is no option {}", typed))
          .hint(
              "secrets are not taken on the command line, where others can see them: set HF_TOKEN "
              "or the "
              "AWS_ variables, or name a file with --token-file");
  }
  std::vector<std::string> names = {"--help"};
  if (command != nullptr) {
    for (const auto* option : all_options(*command)) {
      names.push_back("--" + option->name);
      if (!option->also.empty()) names.push_back("--" + option->also);
    }
  }
  const std::string likely = closest(typed, names);
  std::string where = command == nullptr ? "dray" : "dray " + command->name;
  return Error(Code::usage, fmt::format("there is no option {} for `{}`", typed, where))
      .hint(likely.empty() ? fmt::format("`{} --help` lists the options", where)
                           : fmt::format("did you mean {}?", likely));
}

void check_choices(const Option& option, const std::vector<std::string>& values) {
  if (option.choices.empty()) return;
  for (const auto& value : values) {
    if (std::ranges::find(option.choices, value) != option.choices.end()) continue;
    const std::string likely = closest(value, option.choices);
    throw Error(Code::usage, fmt::format("--{} is one of {}, not '{}'", option.name,
                                         fmt::join(option.choices, ", "), value))
        .hint(likely.empty() ? "" : fmt::format("did you mean --{} {}?", option.name, likely));
  }
}

void check_positionals(const Command& command, const std::vector<std::string>& given) {
  std::size_t at = 0;
  for (const auto& positional : command.positionals) {
    if (at == given.size() && positional.required)
      throw Error(Code::usage, fmt::format("`dray {}` needs {}", command.name, positional.name))
          .hint(usage_line(command));
    at = std::min(at + 1, given.size());
  }
  const bool many = !command.positionals.empty() && command.positionals.back().many;
  if (!many && given.size() > command.positionals.size())
    throw Error(Code::usage, fmt::format("`dray {}` takes {} argument{}, not {}", command.name,
                                         command.positionals.size(),
                                         command.positionals.size() == 1 ? "" : "s", given.size()))
        .hint(usage_line(command));
}

/// CLI11 splits the words; everything that concerns meaning is done here, so that errors are in
/// dray's own form.
void split_words(const std::vector<const Option*>& options, std::vector<std::string> words,
                 const Command* command, Invocation& out) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  CLI::Option* help = app.add_flag("-h,--help");
  // `dray import --version 1.2.0` is about the release; elsewhere it is about dray.
  const bool own_version =
      std::ranges::any_of(options, [](const Option* option) { return option->name == "version"; });
  CLI::Option* version = own_version ? nullptr : app.add_flag("--version");
  std::vector<std::pair<const Option*, CLI::Option*>> known;
  for (const auto* option : options) {
    std::string names = "--" + option->name;
    if (option->letter != 0) names += fmt::format(",-{}", option->letter);
    if (!option->also.empty()) names += ",--" + option->also;
    CLI::Option* added =
        option->is_switch() ? app.add_flag(names)
                            : app.add_option(names)->type_size(1)->expected(1)->multi_option_policy(
                                  CLI::MultiOptionPolicy::TakeAll);
    known.emplace_back(option, added);
  }
  std::vector<std::string> after_mark;
  if (const auto mark = std::ranges::find(words, "--"); mark != words.end()) {
    after_mark.assign(mark + 1, words.end());
    words.erase(mark, words.end());
  }
  std::ranges::reverse(words);  // the order in which CLI11 takes them
  try {
    app.parse(words);
  } catch (const CLI::ParseError& e) {
    std::string name = e.what();
    name = name.substr(0, name.find_first_of(": "));
    const Option* option = nullptr;
    for (const auto* candidate : options)
      if (name == "--" + candidate->name || name == "--" + candidate->also) option = candidate;
    throw Error(Code::usage, option != nullptr && !option->is_switch()
                                 ? fmt::format("{} needs one value: {}", name, option->value)
                                 : e.what())
        .hint(command == nullptr ? "see `dray help`" : usage_line(*command));
  }
  out.help = help->count() > 0;
  out.version = version != nullptr && version->count() > 0;
  for (const auto& word : app.remaining()) {
    if (is_option(word)) {
      if (out.help) continue;
      throw unknown_option(command, word);
    }
    out.positionals.push_back(word);
  }
  out.positionals.insert(out.positionals.end(), after_mark.begin(), after_mark.end());
  for (const auto& [option, result] : known)
    if (result->count() > 0) out.flags[option->name] = result->results();
}

}  // namespace

Invocation parse_command_line(const std::vector<std::string>& words) {
  Found found = find_words(words);
  Invocation out;
  out.command = found.command;
  out.group = found.group;
  std::vector<const Option*> options;
  if (out.command != nullptr) {
    options = all_options(*out.command);
  } else {
    for (const auto& option : global_options()) options.push_back(&option);
  }
  split_words(options, std::move(found.rest), out.command, out);
  if (out.help || out.version || out.command == nullptr) return out;
  for (const auto* option : options) {
    const auto given = out.flags.find(option->name);
    if (given == out.flags.end()) continue;
    check_choices(*option, given->second);
    if (!option->many && given->second.size() > 1)
      throw Error(Code::usage,
                  fmt::format("--{} is given {} times", option->name, given->second.size()))
          .hint("give it once");
  }
  check_positionals(*out.command, out.positionals);
  return out;
}

bool asks_for_json(const std::vector<std::string>& words) {
  for (const auto& word : words) {
    if (word == "--") return false;
    if (word == "--json" || word == "--json=true") return true;
  }
  return false;
}

}  // namespace dray::cli
