#include <gtest/gtest.h>

#include "dray/model/hf_config.h"

namespace dray {
namespace {

using Texts = std::vector<std::string>;

TEST(ReadmeHead, ReadsTheUsualFields) {
  const auto info = parse_readme_head(R"(---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
base_model: org/base
tags:
- llama
- "with: colon"
language:
  - en
  - no
model-index:
- name: x
  results: [{task: {type: a}, metrics: [{value: 1}]}]
---
# Title
license: mit
)");
  EXPECT_EQ(info.license, "apache-2.0");
  EXPECT_EQ(info.library, "transformers");
  EXPECT_EQ(info.pipeline_tag, "text-generation");
  EXPECT_EQ(info.base_models, Texts{"org/base"});
  EXPECT_EQ(info.tags, (Texts{"llama", "with: colon"}));
  // Norwegian, and not false.
  EXPECT_EQ(info.languages, (Texts{"en", "no"}));
}

TEST(ReadmeHead, ListsAndTextsAreTheSame) {
  EXPECT_EQ(
      parse_readme_head("---\nbase_model: [a/b, c/d]\nlicense: [mit]\ntags: x\n---\n").base_models,
      (Texts{"a/b", "c/d"}));
  EXPECT_EQ(parse_readme_head("---\nlicense: [mit]\n---\n").license, "mit");
  EXPECT_EQ(parse_readme_head("---\ntags: x\n---\n").tags, Texts{"x"});
}

TEST(ReadmeHead, OtherLicenceHasItsNameElsewhere) {
  EXPECT_EQ(parse_readme_head("---\nlicense_name: llama3.1\nlicense: other\n---\n").license,
            "llama3.1");
  EXPECT_EQ(parse_readme_head("---\nlicense: other\n---\n").license, "other");
  EXPECT_EQ(parse_readme_head("---\nlicense: mit\nlicense_name: x\n---\n").license, "mit");
}

TEST(ReadmeHead, WindowsLinesAndByteOrderMark) {
  EXPECT_EQ(parse_readme_head("\xEF\xBB\xBF---\r\nlicense: mit\r\n---\r\ntext").license, "mit");
}

TEST(ReadmeHead, AbsentHeadGivesNothing) {
  for (const auto* text : {"", "# Title\n---\nlicense: mit\n---\n", "---\nlicense: mit\n", "---",
                           "---\n---\n", "---\n\n---\n", "---\n- a\n---\n", "---\ntext\n---\n"})
    EXPECT_EQ(parse_readme_head(text), ModelInfo()) << text;
}

TEST(ReadmeHead, NullsAreNothing) {
  EXPECT_EQ(
      parse_readme_head("---\nlicense:\nlibrary_name: null\ntags: [~, a]\nbase_model: ''\n---\n"),
      (ModelInfo{.license = "",
                 .library = "",
                 .pipeline_tag = "",
                 .base_models = {},
                 .tags = {"a"},
                 .languages = {},
                 .gated = false,
                 .is_private = false}));
}

TEST(ReadmeHead, ABrokenHeadGivesWhatCameBefore) {
  const auto info = parse_readme_head("---\nlicense: mit\ntags: [a, b\nlibrary_name: x\n---\n");
  EXPECT_EQ(info.license, "mit");
  EXPECT_EQ(info.library, "");
}

TEST(ReadmeHead, AliasesEndTheReading) {
  const auto info =
      parse_readme_head("---\nlicense: mit\nx: &a [1,2]\ny: *a\nlibrary_name: late\n---\n");
  EXPECT_EQ(info.license, "mit");
  EXPECT_EQ(info.library, "");
}

TEST(ReadmeHead, DeepNestingEndsTheReading) {
  const auto nested = [](int depth) {
    return "---\nlicense: mit\nx: " + std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']') + "\nlibrary_name: late\n---\n";
  };
  EXPECT_EQ(parse_readme_head(nested(12)).library, "late");
  EXPECT_EQ(parse_readme_head(nested(40)).library, "");
  EXPECT_EQ(parse_readme_head(nested(20'000)).license, "mit");
}

TEST(ReadmeHead, ListsAndLengthAreLimited) {
  std::string tags = "---\ntags:\n";
  for (int i = 0; i < 1500; ++i) tags += "- t" + std::to_string(i) + "\n";
  EXPECT_EQ(parse_readme_head(tags + "license: mit\n---\n").tags.size(), 1000U);
  EXPECT_EQ(parse_readme_head(tags + "license: mit\n---\n").license, "mit");
  const std::string comment = "# " + std::string(65'000, 'x') + "\n";
  EXPECT_EQ(parse_readme_head("---\nlicense: mit\n" + comment + "---\n").license, "mit");
  EXPECT_EQ(parse_readme_head("---\nlicense: mit\n" + comment + comment + "---\n").license, "");
}

TEST(ReadmeHead, TextsThatShouldNotBeShownAreDropped) {
  EXPECT_EQ(parse_readme_head("---\nlicense: \"\\e[31mred\"\ntags: [\"a\\nb\", ok]\n---\n").tags,
            Texts{"ok"});
  EXPECT_EQ(parse_readme_head("---\nlicense: \"\\e[31mred\"\n---\n").license, "");
  EXPECT_EQ(parse_readme_head("---\nlicense: " + std::string(300, 'x') + "\n---\n").license, "");
}

}  // namespace
}  // namespace dray
