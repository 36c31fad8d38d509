// The completion scripts, run by the shells that they are for.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "tests/support/cli_fixture.h"

namespace dray::test {
namespace {

class CliCompletion : public Cli {
 protected:
  /// What the command prints; the status must be 0.
  static std::string output_of(const std::string& command) {
    std::FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return "popen failed";
    std::string out;
    std::array<char, 4096> buffer{};
    for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
      out.append(buffer.data(), n);
    const int status = pclose(pipe);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << command << "\n" << out;
    return out;
  }
  /// Shells that are no part of every machine; CI has them.
  static bool lacks(const std::string& shell) {
    const bool there = std::system(("command -v " + shell + " >/dev/null").c_str()) == 0;
    if (!there && std::getenv("CI") != nullptr) ADD_FAILURE() << shell << " is not installed";
    return !there;
  }
  /// The script of the shell, as a file.
  std::string script(const std::string& shell, const std::string& name) {
    const auto result = dray({"completion", shell});
    EXPECT_EQ(result.status, 0) << result.err;
    write(name, result.out);
    return (folder() / name).string();
  }
};

TEST_F(CliCompletion, OtherShellsAreUsageErrors) {
  EXPECT_EQ(dray({"completion", "cmd"}).status, 2);
  EXPECT_EQ(json_of(dray({"completion", "fish", "--json"}))["shell"], "fish");
}

TEST_F(CliCompletion, Bash) {
  write("a b.txt", "");
  const std::string file = script("bash", "dray.bash");
  const auto complete = [&](const std::string& words, int at) {
    return output_of("cd '" + folder().string() + "' && bash --norc -c '. " + file +
                     "; COMP_WORDS=(" + words + "); COMP_CWORD=" + std::to_string(at) +
                     "; _dray; printf \"%s|\" \"${COMPREPLY[@]}\"'");
  };
  EXPECT_EQ(complete("dray im", 1), "import|");
  EXPECT_EQ(complete("dray registry reg", 2), "register|");
  EXPECT_EQ(complete("dray registry register --dry", 3), "--dry-run|");
  EXPECT_EQ(complete("dray import --all", 2), "--all-files|--allow|");
  EXPECT_EQ(complete("dray import --sto", 2), "--store|");
  EXPECT_EQ(complete("dray import --progress pl", 3), "plain|");
  EXPECT_EQ(complete("dray import --progress = pl", 4), "plain|");
  EXPECT_EQ(complete("dray import a", 2), "a b.txt|");
  EXPECT_EQ(complete("dray help exi", 2), "exit-codes|");
  EXPECT_EQ(complete("dray completion z", 2), "zsh|");
}

/// zsh completes only a terminal's line: zpty gives it one. What is offered by compadd is noted.
constexpr const char* kZshDriver = R"(
zmodload zsh/zpty
zpty shell zsh -f -i
put() { zpty -w shell "$1"; }
put 'PS1=; PROMPT=; autoload -Uz compinit; compinit -D -u'
put "$SETUP"
put 'bindkey "^I" complete-word'
put 'compadd() { local -a found; builtin compadd -O found "$@"
print -l -- "<$^found>" >> found.txt; builtin compadd "$@" }'
put 'print ready > ready.txt'
for i in {1..600}; do [[ -e ready.txt ]] && break; sleep 0.05; done
zpty -w -n shell "$LINE"$'\t'
put $'\x15 print done > done.txt'
for i in {1..600}; do [[ -e done.txt ]] && break; sleep 0.05; done
zpty -d shell
cat found.txt
)";

TEST_F(CliCompletion, Zsh) {
  if (lacks("zsh")) GTEST_SKIP() << "no zsh here";
  script("zsh", "functions/_dray");
  write("drive.zsh", kZshDriver);
  const auto complete = [&](const std::string& line, bool by_eval) {
    const std::string setup = by_eval ? "eval \"$(cat functions/_dray)\""
                                      : "fpath=($PWD/functions $fpath); compinit -D -u";
    return output_of("cd '" + folder().string() +
                     "' && rm -f found.txt ready.txt done.txt && SETUP='" + setup + "' LINE='" +
                     line + "' zsh -f drive.zsh");
  };
  EXPECT_TRUE(has(complete("dray im", true), "<import>"));
  EXPECT_TRUE(has(complete("dray im", false), "<import>")) << "also as a file of fpath";
  EXPECT_TRUE(has(complete("dray registry reg", false), "<register>"));
  EXPECT_TRUE(has(complete("dray import --dry", false), "<--dry-run>"));
  EXPECT_TRUE(has(complete("dray config show --ori", false), "<--origin>"));
  EXPECT_TRUE(has(complete("dray import --progress pl", false), "<plain>"));
  EXPECT_TRUE(has(complete("dray help exi", false), "<exit-codes>"));
}

TEST_F(CliCompletion, Fish) {
  if (lacks("fish")) GTEST_SKIP() << "no fish here";
  const std::string file = script("fish", "dray.fish");
  const auto complete = [&](const std::string& line) {
    return output_of("cd '" + folder().string() + "' && HOME=" + folder().string() +
                     " fish --no-config -c 'source " + file + "; complete -C \"" + line +
                     "\" | string replace -r \"\\t.*\" \"\"; true'");
  };
  write("a b.txt", "");
  EXPECT_EQ(complete("dray im"), "import\n");
  EXPECT_EQ(complete("dray registry reg"), "register\n");
  EXPECT_EQ(complete("dray registry register --dry"), "--dry-run\n");
  EXPECT_EQ(complete("dray config show --ori"), "--origin\n");
  EXPECT_EQ(complete("dray config show --sto"), "") << "show is another command";
  EXPECT_EQ(complete("dray import --sto"), "--store\n");
  EXPECT_EQ(complete("dray import --progress pl"), "plain\n");
  EXPECT_EQ(complete("dray import a"), "a b.txt\n");
  EXPECT_EQ(complete("dray help exi"), "exit-codes\n");
  EXPECT_EQ(complete("dray completion z"), "zsh\n");
}

}  // namespace
}  // namespace dray::test
