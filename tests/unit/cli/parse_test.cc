#include "dray/cli/parse.h"

#include <gtest/gtest.h>

#include "dray/base/error.h"

namespace dray::cli {
namespace {

using Words = std::vector<std::string>;

Error failure_of(const Words& words) {
  try {
    parse_command_line(words);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::usage);
    return e;
  }
  ADD_FAILURE() << "no error";
  return Error(Code::internal, "");
}

TEST(CliParse, FlagsMayStandAnywhere) {
  for (const Words& words : {Words{"--json", "import", "hf://a/b", "--to", "s3://x"},
                             Words{"import", "--to=s3://x", "--json", "hf://a/b"},
                             Words{"import", "hf://a/b", "--to", "s3://x", "--json"}}) {
    const Invocation got = parse_command_line(words);
    ASSERT_NE(got.command, nullptr);
    EXPECT_EQ(got.command->name, "import");
    EXPECT_EQ(got.positionals, Words{"hf://a/b"});
    EXPECT_EQ(got.flags.at("to"), Words{"s3://x"});
    EXPECT_EQ(got.flags.count("json"), 1u);
  }
}

TEST(CliParse, AGlobalFlagWithAValueBeforeTheCommand) {
  const Invocation got = parse_command_line({"--progress", "plain", "list"});
  EXPECT_EQ(got.command->name, "list");
  EXPECT_EQ(got.flags.at("progress"), Words{"plain"});
}

TEST(CliParse, TwoWordCommands) {
  EXPECT_EQ(parse_command_line({"registry", "register", "llama:1.0.0"}).command->name,
            "registry register");
  const Invocation group = parse_command_line({"registry"});
  EXPECT_EQ(group.command, nullptr);
  EXPECT_EQ(group.group, "registry");
  EXPECT_NE(failure_of({"registry", "registr"}).hint().find("registry register"),
            std::string::npos);
}

TEST(CliParse, AModelMayBeCalledLikeACommand) {
  const Invocation got = parse_command_line({"pull", "list", "import"});
  EXPECT_EQ(got.command->name, "pull");
  EXPECT_EQ(got.positionals, (Words{"list", "import"}));
}

TEST(CliParse, RepeatedOptionsKeepTheirOrder) {
  const Invocation got = parse_command_line(
      {"import", "--include", "*.json", "a/b", "--include", "[ab]*", "--include=x"});
  EXPECT_EQ(got.flags.at("include"), (Words{"*.json", "[ab]*", "x"}));
  EXPECT_EQ(got.positionals, Words{"a/b"});
}

TEST(CliParse, AnOptionDoesNotSwallowTheArgumentsAfterIt) {
  const Invocation got = parse_command_line({"import", "--include", "*.json", "hf://a/b"});
  EXPECT_EQ(got.flags.at("include"), Words{"*.json"});
  EXPECT_EQ(got.positionals, Words{"hf://a/b"});
}

TEST(CliParse, AGlobInBracketsIsNoList) {
  EXPECT_EQ(parse_command_line({"import", "a/b", "--include", "[a,b]"}).flags.at("include"),
            Words{"[a,b]"});
  EXPECT_EQ(parse_command_line({"show", "[a,b]"}).positionals, Words{"[a,b]"});
}

TEST(CliParse, AfterTheMarkAllAreArguments) {
  const Invocation got = parse_command_line({"pull", "--", "-name", "--json"});
  EXPECT_EQ(got.positionals, (Words{"-name", "--json"}));
  EXPECT_TRUE(got.flags.empty());
}

TEST(CliParse, LettersMayBeJoined) {
  const Invocation got = parse_command_line({"list", "-qvv"});
  EXPECT_EQ(got.flags.at("quiet").size(), 1u);
  EXPECT_EQ(got.flags.at("verbose").size(), 2u);
}

TEST(CliParse, ASecondNameCountsAsTheFirst) {
  EXPECT_EQ(parse_command_line({"import", "a/b", "--store", "x"}).flags.at("to"), Words{"x"});
}

TEST(CliParse, MisspeltCommandsAndOptionsAreAnsweredWithTheCloseOne) {
  const Error command = failure_of({"improt", "a/b"});
  EXPECT_NE(std::string(command.what()).find("'improt'"), std::string::npos);
  EXPECT_EQ(command.hint(), "did you mean `dray import`?");
  EXPECT_EQ(failure_of({"download", "x"}).hint(), "did you mean `dray pull`?");
  EXPECT_EQ(failure_of({"import", "a/b", "--dry-rnu"}).hint(), "did you mean --dry-run?");
  EXPECT_EQ(failure_of({"import", "a/b", "--allow", "not-servabel"}).hint(),
            "did you mean --allow not-servable?");
}

TEST(CliParse, SecretsOnTheCommandLineAreRefusedAndNotRepeated) {
  for (const Words& words :
       {Words{"import", "a/b", "--token", "hf_secret"}, Words{"import", "a/b", "--token=hf_secret"},
        Words{"import", "a/b", "--secret-key=hf_secret"}}) {
    const Error error = failure_of(words);
    EXPECT_EQ(std::string(error.what()).find("hf_secret"), std::string::npos);
    EXPECT_EQ(error.hint().find("hf_secret"), std::string::npos);
    EXPECT_NE(error.hint().find("--token-file"), std::string::npos);
  }
}

TEST(CliParse, MissingAndSuperfluousArguments) {
  const Error missing = failure_of({"import"});
  EXPECT_STREQ(missing.what(), "`dray import` needs SOURCE");
  EXPECT_NE(missing.hint().find("dray import hf://"), std::string::npos);
  EXPECT_STREQ(failure_of({"pull", "llama"}).what(), "`dray pull` needs DIR");
  EXPECT_STREQ(failure_of({"show", "a", "b"}).what(), "`dray show` takes 1 argument, not 2");
  EXPECT_NE(std::string(failure_of({"import", "a/b", "--to"}).what()).find("--to needs one value"),
            std::string::npos);
  EXPECT_NE(std::string(failure_of({"import", "a/b", "--name", "x", "--name", "y"}).what())
                .find("2 times"),
            std::string::npos);
}

TEST(CliParse, HelpNeedsNoArguments) {
  EXPECT_TRUE(parse_command_line({"pull", "--help"}).help);
  EXPECT_TRUE(parse_command_line({"pull", "-h", "--nonsense"}).help);
  EXPECT_TRUE(parse_command_line({"--help"}).help);
  EXPECT_TRUE(parse_command_line({"--version"}).version);
  EXPECT_EQ(parse_command_line({}).command, nullptr);
}

TEST(CliParse, KnowsBeforeParsingWhetherJsonIsWanted) {
  EXPECT_TRUE(asks_for_json({"nonsense", "--json"}));
  EXPECT_FALSE(asks_for_json({"pull", "--", "--json"}));
}

// Every flag of every command must be reachable, and no two may get into each other's way.
TEST(CliParse, EveryOptionOfEveryCommandIsUnderstood) {
  for (const auto& command : command_table()) {
    for (const auto* option : all_options(command)) {
      Words words;
      const std::size_t space = command.name.find(' ');
      words.push_back(command.name.substr(0, space));
      if (space != std::string::npos) words.push_back(command.name.substr(space + 1));
      for (const auto& positional : command.positionals) words.push_back(positional.name);
      words.push_back("--" + option->name);
      if (!option->is_switch())
        words.push_back(option->choices.empty() ? "1" : option->choices.front());
      const Invocation got = parse_command_line(words);
      EXPECT_EQ(got.command, &command) << command.name;
      EXPECT_EQ(got.flags.count(option->name), 1u) << command.name << " --" << option->name;
    }
  }
}

}  // namespace
}  // namespace dray::cli
