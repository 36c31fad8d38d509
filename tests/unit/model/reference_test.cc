#include "dray/model/reference.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "dray/base/error.h"
#include "tests/support/random.h"

namespace dray {
namespace {

TEST(Reference, ReadsNameVersionAndAlias) {
  EXPECT_EQ(parse_reference("llama"), (Reference{.name = "llama", .version = "", .alias = ""}));
  EXPECT_EQ(parse_reference("llama-3.1_8b:1.0.0"),
            (Reference{.name = "llama-3.1_8b", .version = "1.0.0", .alias = ""}));
  EXPECT_EQ(parse_reference("org--llama@production"),
            (Reference{.name = "org--llama", .version = "", .alias = "production"}));
}

TEST(Reference, TextGivesBackWhatWasRead) {
  for (const auto* text : {"a", "a:1", "a@b", "A.b_c-d:1.2.3-rc1", "a@x.y"})
    EXPECT_EQ(parse_reference(text).text(), text);
}

TEST(Reference, RefusesWhatIsNoNameWithAnExample) {
  const std::string long_name(129, 'a');
  for (const std::string& text : {std::string(),
                                  std::string(":1"),
                                  std::string("@a"),
                                  std::string("a:"),
                                  std::string("a@"),
                                  std::string("a:1@b"),
                                  std::string("a@b:1"),
                                  std::string("a:1:2"),
                                  std::string("a@@b"),
                                  std::string("org/model"),
                                  std::string("a b"),
                                  std::string(".a"),
                                  std::string("a."),
                                  std::string("-a"),
                                  std::string("a-"),
                                  std::string(".."),
                                  std::string("_"),
                                  std::string("a\0b", 3),
                                  std::string("a\n"),
                                  std::string("é"),
                                  std::string("a:é"),
                                  std::string("a:../b"),
                                  long_name,
                                  "a:" + long_name}) {
    try {
      parse_reference(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::usage);
      EXPECT_NE(error.hint().find("example"), std::string::npos) << text;
      const std::string_view shown = error.what();
      EXPECT_TRUE(std::all_of(shown.begin(), shown.end(), [](char c) { return c >= ' '; }));
    }
  }
}

TEST(Reference, LongestNameIs128) {
  EXPECT_NO_THROW(check_name(std::string(128, 'a'), "name"));
  EXPECT_NO_THROW(check_name("a", "name"));
}

TEST(Reference, NamesThatClashFoldToTheSame) {
  EXPECT_EQ(fold_name("Llama_3"), fold_name("llama-3"));
  EXPECT_NE(fold_name("llama.3"), fold_name("llama-3"));
  EXPECT_NE(fold_name("llama3"), fold_name("llama-3"));
}

TEST(Reference, NextVersionRaisesThePatchOfTheHighest) {
  EXPECT_EQ(next_version({}), "1.0.0");
  EXPECT_EQ(next_version({"1.0.0"}), "1.0.1");
  EXPECT_EQ(next_version({"1.0.9", "1.0.10", "1.0.2"}), "1.0.11");
  EXPECT_EQ(next_version({"2.3.4", "10.0.0", "9.9.9"}), "10.0.1");
  EXPECT_EQ(next_version({"latest", "v3.0.0", "1.0", "1.0.0-rc1", "1.0.0.0", "1..0", "01.0.0"}),
            "1.0.0");
  EXPECT_EQ(next_version({"0.0.0"}), "0.0.1");
  EXPECT_EQ(next_version({"99999999999999999999.0.0", "1.2.3"}), "1.2.4");
}

TEST(Reference, VersionsAreOrderedByValueThenOthersByText) {
  std::vector<std::string> versions = {"b", "1.0.10", "a", "1.0.9", "10.0.0", "1.0.0-rc1", "2.0.0"};
  std::sort(versions.begin(), versions.end(), version_less);
  EXPECT_EQ(versions, (std::vector<std::string>{"1.0.9", "1.0.10", "2.0.0", "10.0.0", "1.0.0-rc1",
                                                "a", "b"}));
}

TEST(Reference, NextVersionIsNewAndTheHighestOfRandomOnes) {
  auto random = test::generator(21);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::string> versions;
    for (auto n = random() % 6; n > 0; --n)
      versions.push_back(std::to_string(random() % 4) + "." + std::to_string(random() % 12) + "." +
                         std::to_string(random() % 120));
    if (random() % 3 == 0) versions.emplace_back("nightly");
    const auto next = next_version(versions);
    EXPECT_EQ(std::count(versions.begin(), versions.end(), next), 0);
    for (const auto& version : versions)
      if (version != "nightly") {
        EXPECT_TRUE(version_less(version, next)) << version << " " << next;
      }
  }
}

TEST(Reference, VersionOrderIsStrict) {
  const std::vector<std::string> versions = {"1.0.0", "01.0.0", "1.0", "1.0.0.0", "", "a", "1.0.1"};
  for (const auto& a : versions)
    for (const auto& b : versions) {
      EXPECT_FALSE(version_less(a, b) && version_less(b, a)) << a << " " << b;
      EXPECT_EQ(a == b, !version_less(a, b) && !version_less(b, a)) << a << " " << b;
    }
}

}  // namespace
}  // namespace dray
