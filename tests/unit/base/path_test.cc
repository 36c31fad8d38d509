#include "dray/base/path.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dray/base/error.h"

namespace dray {
namespace {

template <typename F>
std::string refusal(F f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::malformed);
    EXPECT_EQ(e.object(), "listing of x");
    return e.message();
  }
  return "";
}

std::string path_refusal(std::string_view path) {
  return refusal([&] { check_relative_path(path, "listing of x"); });
}
std::string listing_refusal(const std::vector<std::string>& paths) {
  return refusal([&] { check_listing(paths, "listing of x"); });
}

TEST(PathCheck, TakesOrdinaryNames) {
  for (const char* good : {"config.json", "a/b/c.bin", ".gitattributes", "..a", "a..", "...",
                           "a/.b", "sub dir/file name", "naïve/模型.safetensors", "ab:c", "x/c:y",
                           "~", "a\\b", "\xF0\x9F\x99\x82"})
    EXPECT_EQ(path_refusal(good), "") << good;
  EXPECT_EQ(path_refusal(std::string(255, 'a')), "");
}

TEST(PathCheck, RefusesHostileNames) {
  for (const char* bad : {"",
                          "/etc/passwd",
                          "\\x",
                          "//host/share",
                          "\\\\host\\share",
                          "..",
                          ".",
                          "../x",
                          "a/../b",
                          "a/..",
                          "a/./b",
                          "./a",
                          "a//b",
                          "a/",
                          "a\\..\\b",
                          "a\\",
                          "a/\\b",
                          "..\\x",
                          "C:\\x",
                          "c:x",
                          "C:",
                          "a\nb",
                          "a\x7f",
                          "\x1b[2J",
                          "a\xC2\x80",
                          "\xFF",
                          "\xC0\xAE\xC0\xAE/x",
                          "\xED\xA0\x80",
                          "\xF4\x90\x80\x80",
                          "a\xC3"})
    EXPECT_NE(path_refusal(bad), "") << bad;
  EXPECT_NE(path_refusal(std::string_view("a\0b", 3)), "");
  EXPECT_NE(path_refusal(std::string(256, 'a')), "");
  EXPECT_NE(path_refusal("x/" + std::string(256, 'a') + "/y"), "");
}

TEST(PathCheck, LimitsTheWhole) {
  std::string path;
  for (int i = 0; i < 4; ++i) path += std::string(255, 'a') + "/";
  EXPECT_EQ(path_refusal(path.substr(0, 1023)), "");
  EXPECT_NE(path_refusal(path + "b"), "");
}

TEST(PathCheck, ErrorsShowNoRawBytes) {
  EXPECT_EQ(path_refusal("a\x1b[31m"),
            "unsafe path \"a\\x1b[31m\": it contains a control character");
}

TEST(PathListing, TakesDistinctNames) {
  EXPECT_EQ(listing_refusal({}), "");
  EXPECT_EQ(listing_refusal({"a", "b/a", "b/c", "B/d", "a.json", "a-b/c", "ab"}), "");
}

TEST(PathListing, RefusesClashes) {
  EXPECT_EQ(listing_refusal({"a", "b", "a"}), "unsafe path \"a\": it is listed twice");
  EXPECT_NE(listing_refusal({"README.md", "x", "readme.md"}).find("only in case"),
            std::string::npos);
  EXPECT_NE(listing_refusal({"a/b", "a\\b"}), "") << "the same place where \\ separates";
  EXPECT_NE(listing_refusal({"ok", "../x"}), "");
}

TEST(PathListing, RefusesAFileThatIsAlsoAFolder) {
  EXPECT_EQ(listing_refusal({"a/b/c", "a/b"}),
            "unsafe path \"a/b\": it is also a folder, of \"a/b/c\"");
  // Names that sort between "a" and "a/b" as plain bytes must not hide the clash.
  EXPECT_NE(listing_refusal({"a", "a b", "a!", "a-b", "a.b", "a/b"}), "");
  EXPECT_NE(listing_refusal({"A", "a/b"}), "") << "one name where case does not count";
}

TEST(PathListing, HundredThousandNames) {
  // Comparing each with each would take minutes.
  std::vector<std::string> paths;
  for (int i = 0; i < 100'000; ++i)
    paths.push_back(fmt::format("folder-{}/shard-{}.bin", i % 1000, i));
  EXPECT_EQ(listing_refusal(paths), "");
  paths.push_back("folder-7/SHARD-7.bin");
  EXPECT_NE(listing_refusal(paths), "");
}

TEST(PathUtf8, FollowsRfc3629) {
  EXPECT_TRUE(valid_utf8(""));
  EXPECT_TRUE(valid_utf8("aé€\xF0\x9F\x99\x82"));
  EXPECT_TRUE(valid_utf8("\xEF\xBF\xBF\xF4\x8F\xBF\xBF"));
  for (const char* bad :
       {"\x80", "\xC1\xBF", "\xC3", "\xE0\x9F\xBF", "\xE2\x82", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\xC3\x41"})
    EXPECT_FALSE(valid_utf8(bad));
}

}  // namespace
}  // namespace dray
