#include "dray/cli/text.h"

#include <gtest/gtest.h>

namespace dray::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(CliText, WidthsOfWhatNamesAreMadeOf) {
  EXPECT_EQ(display_width("model"), 5u);
  EXPECT_EQ(display_width("modèle"), 6u);
  EXPECT_EQ(display_width("e\u0301"), 1u);  // combining accent
  EXPECT_EQ(display_width("模型"), 4u);
  EXPECT_EQ(display_width("\xff\xfe"), 2u);  // invalid bytes
}

TEST(CliText, FitsWithoutBreakingCharacters) {
  EXPECT_EQ(fit("model", 5), "model");
  EXPECT_EQ(fit("model.safetensors", 6), "model…");
  EXPECT_EQ(fit("模型模型", 4), "模…");
  EXPECT_EQ(fit("abc", 0), "");
  const std::string middle = fit_middle("very/long/folder/model-00001-of-00002.safetensors", 30);
  EXPECT_LE(display_width(middle), 30u);
  EXPECT_TRUE(middle.starts_with("very/"));
  EXPECT_TRUE(middle.ends_with("of-00002.safetensors"));
}

TEST(CliText, OutsideTextCannotSteerTheTerminal) {
  EXPECT_EQ(printable("a\x1b[2Jb\r\n\x7f"), "a?[2Jb???");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "?31m");                                    // C1 control sequence introducer
  EXPECT_EQ(printable("a\u202Egnp.exe"), "a?gnp.exe");  // right-to-left override
  EXPECT_EQ(printable("modèle 模型"), "modèle 模型");
  EXPECT_EQ(printable("\xc3"), "?");
}

TEST(CliText, TablesAlignAndShrinkTheWidestName) {
  Table table{{{"FILE", false, true}, {"SIZE", true}},
              {{"a", "5 B"}, {"model-00001-of-00002.safetensors", "4.9 GiB"}}};
  const auto lines = format_table(table, 0);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[1], "a                                     5 B");
  EXPECT_EQ(lines[2], "model-00001-of-00002.safetensors  4.9 GiB");
  for (const auto& line : format_table(table, 30)) EXPECT_LE(display_width(line), 30u);
  EXPECT_TRUE(format_table(table, 30)[2].ends_with("4.9 GiB"));
}

TEST(CliText, WrapsAtSpaces) {
  EXPECT_EQ(wrap("one two three", 8), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrap("a\n\nb", 8), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(wrap("unbreakable", 4), (std::vector<std::string>{"unbreakable"}));
}

TEST(CliText, Times) {
  EXPECT_EQ(human_duration(milliseconds(320)), "0.3 s");
  EXPECT_EQ(human_duration(milliseconds(9'960)), "10.0 s");
  EXPECT_EQ(human_duration(milliseconds(42'400)), "42 s");
  EXPECT_EQ(human_duration(milliseconds(200'000)), "3 min 20 s");
  EXPECT_EQ(human_duration(milliseconds(7'500'000)), "2 h 5 min");
  EXPECT_EQ(human_duration(milliseconds(-5)), "0.0 s");
  EXPECT_EQ(clock_duration(seconds(42)), "0:42");
  EXPECT_EQ(clock_duration(seconds(7'500)), "2:05:00");
}

TEST(CliText, WordsForTheShell) {
  EXPECT_EQ(shell_word("s3://bucket/a-b_c"), "s3://bucket/a-b_c");
  EXPECT_EQ(shell_word("my model"), "'my model'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("$(rm)"), "'$(rm)'");
}

}  // namespace
}  // namespace dray::cli
