#include "dray/base/text_diff.h"

#include <gtest/gtest.h>

#include <string>

namespace dray {
namespace {

std::string diff(std::string_view a, std::string_view b, std::size_t context = 3) {
  return unified_diff(a, b, {.before_name = "a", .after_name = "b", .context = context});
}

TEST(BaseTextDiff, EqualTextsHaveNone) {
  EXPECT_EQ(diff("", ""), "");
  EXPECT_EQ(diff("one\ntwo\n", "one\ntwo\n"), "");
}

TEST(BaseTextDiff, AChangedLineWithItsContext) {
  EXPECT_EQ(diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n"),
            "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

TEST(BaseTextDiff, FarChangesAreHunksOfTheirOwn) {
  EXPECT_EQ(diff("a\n1\n2\n3\n4\n5\nb\n", "A\n1\n2\n3\n4\n5\nB\n", 1),
            "--- a\n+++ b\n@@ -1,2 +1,2 @@\n-a\n+A\n 1\n@@ -6,2 +6,2 @@\n 5\n-b\n+B\n");
  EXPECT_EQ(diff("a\n1\n2\nb\n", "A\n1\n2\nB\n", 1),
            "--- a\n+++ b\n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n-b\n+B\n");
}

TEST(BaseTextDiff, FromAndToNothing) {
  EXPECT_EQ(diff("", "x\n"), "--- a\n+++ b\n@@ -0,0 +1 @@\n+x\n");
  EXPECT_EQ(diff("x\n", ""), "--- a\n+++ b\n@@ -1 +0,0 @@\n-x\n");
}

TEST(BaseTextDiff, AMissingLineEndIsSaid) {
  EXPECT_EQ(diff("x", "x\n"), "--- a\n+++ b\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+x\n");
}

TEST(BaseTextDiff, OnlyWhatDiffersIsShown) {
  // The line in the middle is common, though it has another number.
  EXPECT_EQ(diff("a\nb\nc\n", "b\nc\nd\n", 0),
            "--- a\n+++ b\n@@ -1 +0,0 @@\n-a\n@@ -3,0 +3 @@\n+d\n");
}

TEST(BaseTextDiff, TextsTooLargeToCompareAreReplaced) {
  std::string a, b;
  for (int i = 0; i < 70'000; ++i) {
    a += "a\n";
    b += "b\n";
  }
  const std::string text = diff(a, b);
  EXPECT_TRUE(text.starts_with("--- a\n+++ b\n@@ -1,70000 +1,70000 @@\n-a\n"));
  EXPECT_TRUE(text.ends_with("+b\n"));
}

}  // namespace
}  // namespace dray
