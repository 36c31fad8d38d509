#include "dray/cli/help.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/cli/text.h"
#include "tests/support/paths.h"

namespace dray::cli {
namespace {

TEST(CliHelp, StartsWithExamples) {
  for (const auto& command : command_table()) {
    EXPECT_TRUE(command_help(command, 100).starts_with("Examples:\n  dray " + command.name) ||
                command.name == "completion")
        << command_help(command, 100);
  }
  EXPECT_NE(overview(100).find("Examples:\n  dray demo"), std::string::npos);
}

TEST(CliHelp, NamesEveryOptionAndItsVariable) {
  for (const auto& command : command_table()) {
    const std::string help = command_help(command, 100);
    for (const auto* option : all_options(command)) {
      EXPECT_NE(help.find("--" + option->name), std::string::npos) << command.name << option->name;
      EXPECT_EQ(help.find(env_name(option->name)) != std::string::npos, !option->typed)
          << command.name << option->name;
    }
  }
}

TEST(CliHelp, KeepsToTheWidth) {
  for (const auto& command : command_table()) {
    const std::string help = command_help(command, 80);
    const std::string options = help.substr(help.find("\nOptions"));
    for (const auto& line : wrap(options, 10'000)) EXPECT_LE(display_width(line), 80u) << line;
  }
}

TEST(CliHelp, TheTableIsSound) {
  std::set<std::string> names;
  for (const auto& command : command_table()) {
    EXPECT_TRUE(names.insert(command.name).second) << command.name;
    EXPECT_NE(command.run, nullptr);
    EXPECT_FALSE(command.examples.empty()) << command.name;
    EXPECT_FALSE(command.summary.ends_with('.')) << command.name;
    std::set<std::string> options;
    for (const auto* option : all_options(command)) {
      EXPECT_TRUE(options.insert(option->name).second) << command.name << " --" << option->name;
      EXPECT_FALSE(option->help.empty() || option->help.ends_with('.')) << option->name;
    }
    bool optional = false;
    for (const auto& positional : command.positionals) {
      EXPECT_FALSE(optional && positional.required) << command.name;
      optional = optional || !positional.required;
    }
  }
}

// An environment variable must not mean different things to different commands.
TEST(CliHelp, AnOptionHasOneKindEverywhere) {
  std::map<std::string, const Option*> seen;
  for (const auto& command : command_table()) {
    for (const auto* option : all_options(command)) {
      const auto [entry, added] = seen.emplace(option->name, option);
      EXPECT_EQ(entry->second->is_switch(), option->is_switch()) << option->name;
      EXPECT_EQ(entry->second->kind, option->kind) << option->name;
      EXPECT_EQ(entry->second->choices, option->choices) << option->name;
      EXPECT_EQ(entry->second->many, option->many) << option->name;
    }
  }
}

// A variable that somebody left set must not confirm that something is removed.
TEST(CliHelp, WhatConfirmsIsTypedAndNothingElse) {
  const std::set<std::string> confirm = {"yes", "force", "fix"};
  for (const auto& command : command_table())
    for (const auto* option : all_options(command))
      EXPECT_EQ(option->typed, confirm.contains(option->name))
          << command.name << " --" << option->name;
}

TEST(CliHelp, ReferencePagesAreWhatTheTablesSay) {
  const auto page = [](const std::string& name) {
    return read_file(test::source_dir() + "/docs/reference/" + name + ".md")
        .value_or("no such page");
  };
  // Not EXPECT_EQ: it would print the pages.
  EXPECT_TRUE(page("commands") == commands_markdown())
      << "dray help --markdown > docs/reference/commands.md";
  for (const auto& topic : topic_names())
    EXPECT_TRUE(page(topic) == topic_markdown(topic))
        << "dray help --markdown " << topic << " > docs/reference/" << topic << ".md";
}

TEST(CliHelp, TheConfigurationPageNamesEveryKey) {
  const std::string page =
      read_file(test::source_dir() + "/docs/reference/configuration.md").value_or("");
  for (const auto* option : config_options())
    EXPECT_NE(page.find("`" + config_key(*option) + "`"), std::string::npos) << config_key(*option);
}

TEST(CliHelp, TopicsCoverEveryErrorCode) {
  const std::string page = topic_help("exit-codes", 100);
  for (int i = 0; i <= static_cast<int>(Code::cancelled); ++i)
    EXPECT_NE(page.find(std::string(code_name(static_cast<Code>(i)))), std::string::npos);
  EXPECT_EQ(topic_help("nothing", 100), "");
}

}  // namespace
}  // namespace dray::cli
