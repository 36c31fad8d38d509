#include "dray/cli/suggest.h"

#include <gtest/gtest.h>

namespace dray::cli {
namespace {

TEST(CliSuggest, CountsEditsAndSwaps) {
  EXPECT_EQ(edit_distance("import", "import"), 0u);
  EXPECT_EQ(edit_distance("improt", "import"), 1u);  // neighbours swapped
  EXPECT_EQ(edit_distance("imprt", "import"), 1u);
  EXPECT_EQ(edit_distance("importt", "import"), 1u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("verify", "version"), 3u);
}

TEST(CliSuggest, LongTextsAreFarApartWithoutWork) {
  const std::string a(100'000, 'a'), b(100'000, 'b');
  EXPECT_GE(edit_distance(a, b), 64u);
  EXPECT_EQ(edit_distance(a, a), 0u);
}

TEST(CliSuggest, FindsTheCloseOneOnly) {
  const std::vector<std::string> names = {"import", "pull", "list", "verify"};
  EXPECT_EQ(closest("improt", names), "import");
  EXPECT_EQ(closest("ver", names), "verify");  // a beginning
  EXPECT_EQ(closest("lst", names), "list");
  EXPECT_EQ(closest("quantize", names), "");
  EXPECT_EQ(closest("x", names), "");
}

TEST(CliSuggest, KnowsTheWordsOfOtherTools) {
  EXPECT_EQ(familiar_command("download"), "pull");
  EXPECT_EQ(familiar_command("ls"), "list");
  EXPECT_EQ(familiar_command("import"), "");
}

}  // namespace
}  // namespace dray::cli
