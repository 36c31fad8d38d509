#include "dray/release/diff.h"

#include <gmock/gmock.h>

#include "tests/unit/release/versions_fixture.h"

namespace dray::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = FileDifference::Kind;

/// A safetensors file; `fill` stands for other values of the same form.
std::string weights(const std::string& tensors, std::size_t bytes, char fill = 'x') {
  std::string header = "{" + tensors + "}";
  std::string file(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(header.size() >> (8 * i));
  return file + header + std::string(bytes, fill);
}

struct ReleaseDiff : VersionsFixture {
  ReleaseDifference diff(const FileTexts& before, const FileTexts& after) {
    const Manifest a = publish("1", before, store), b = publish("2", after, store);
    return diff_releases({&store, a}, {&store, b}, {});
  }
};

TEST_F(ReleaseDiff, EqualReleases) {
  const auto out = diff({{"a", "1"}, {"config.json", "{}"}}, {{"a", "1"}, {"config.json", "{}"}});
  EXPECT_TRUE(out.same_content);
  EXPECT_THAT(out.files, IsEmpty());
  EXPECT_THAT(out.settings, IsEmpty());
  EXPECT_FALSE(out.tensors_compared);
  EXPECT_EQ(store.count("read"), 0u) << "digests tell";
}

TEST_F(ReleaseDiff, FilesComeGoChangeAndMove) {
  const auto out = diff({{"gone", "g"}, {"old name", "moved"}, {"same", "s"}, {"text", "one"}},
                        {{"came", "c"}, {"new name", "moved"}, {"same", "s"}, {"text", "three"}});
  ASSERT_THAT(out.files, SizeIs(4));
  EXPECT_EQ(out.files[0].kind, Kind::added);
  EXPECT_EQ(out.files[0].path, "came");
  EXPECT_EQ(out.files[1].kind, Kind::removed);
  EXPECT_EQ(out.files[1].path, "gone");
  EXPECT_EQ(out.files[2].kind, Kind::renamed);
  EXPECT_EQ(out.files[2].old_path, "old name");
  EXPECT_EQ(out.files[3].kind, Kind::changed);
  EXPECT_EQ(out.files[3].old_size, 3u);
  EXPECT_EQ(out.files[3].size, 5u);
  EXPECT_FALSE(out.same_content);
}

TEST_F(ReleaseDiff, SettingsByKey) {
  const auto out =
      diff({{"config.json", R"({"torch_dtype": "bfloat16", "rope": {"factor": 2}, "gone": [1]})"},
            {"generation_config.json", R"({"temperature": 0.6})"}},
           {{"config.json", R"({"rope": {"factor": 4}, "torch_dtype": "bfloat16", "came": null})"},
            {"generation_config.json", R"({"temperature": 0.7})"}});
  ASSERT_THAT(out.settings, SizeIs(4));
  const auto text = [&](std::size_t i) {
    const auto& s = out.settings[i];
    return s.file + " " + s.key + ": " + s.before + " > " + s.after;
  };
  EXPECT_EQ(text(0), "config.json gone: [1] > ");
  EXPECT_EQ(text(1), "config.json rope.factor: 2 > 4");
  EXPECT_EQ(text(2), "config.json came:  > null");
  EXPECT_EQ(text(3), "generation_config.json temperature: 0.6 > 0.7");
}

TEST_F(ReleaseDiff, TensorsByTheirHeaders) {
  const std::string big(1 << 20, ' ');
  const auto out = diff(
      {{"model.safetensors", weights(R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                     R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[8,16]},)"
                                     R"("c":{"dtype":"BF16","shape":[1],"data_offsets":[16,18]})" +
                                         big,
                                     18)}},
      {{"model.safetensors", weights(R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                     R"("b":{"dtype":"I8","shape":[8],"data_offsets":[8,16]},)"
                                     R"("d":{"dtype":"I8","shape":[2],"data_offsets":[16,18]})",
                                     18)}});
  ASSERT_TRUE(out.tensors_compared);
  ASSERT_THAT(out.tensors, SizeIs(3));
  EXPECT_EQ(out.tensors[0].name, "b");
  EXPECT_EQ(out.tensors[0].before->dtype, "BF16");
  EXPECT_THAT(out.tensors[0].after->shape, ElementsAre(8u));
  EXPECT_EQ(out.tensors[1].name, "c");
  EXPECT_FALSE(out.tensors[1].after);
  EXPECT_EQ(out.tensors[2].name, "d");
  EXPECT_FALSE(out.tensors[2].before);
  EXPECT_EQ(out.dtypes_before.at("BF16").elements, 5u);
  EXPECT_EQ(out.dtypes_after.at("I8").tensors, 2u);
}

TEST_F(ReleaseDiff, OnlyHeadersOfWeightsAreRead) {
  const std::string tensor = R"("a":{"dtype":"U8","shape":[8000000],"data_offsets":[0,8000000]})";
  const auto out = diff({{"model.safetensors", weights(tensor, 8'000'000, 'x')}},
                        {{"model.safetensors", weights(tensor, 8'000'000, 'y')}});
  EXPECT_TRUE(out.tensors_compared);
  EXPECT_THAT(out.tensors, IsEmpty()) << "the same form, other values";
  std::uint64_t read = 0;
  for (const auto& call : store.calls())
    if (call.verb == "read") read += call.size;
  EXPECT_LE(read, 600'000u);
}

TEST_F(ReleaseDiff, AShardThatIsTheSameOnBothSidesStillCounts) {
  const std::string same = weights(R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})", 1);
  const auto out = diff(
      {{"1.safetensors", same},
       {"2.safetensors", weights(R"("b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})", 1)}},
      {{"1.safetensors", same},
       {"2.safetensors", weights(R"("b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]})", 2)}});
  EXPECT_EQ(out.dtypes_after.at("U8").elements, 3u);
  ASSERT_THAT(out.tensors, SizeIs(1));
  EXPECT_EQ(out.tensors[0].name, "b");
}

TEST_F(ReleaseDiff, ChatTemplatesAsText) {
  const auto out = diff(
      {{"tokenizer_config.json", R"({"chat_template": "one\ntwo\n", "eos_token": "</s>"})"}},
      {{"tokenizer_config.json", R"({"eos_token": "</s>"})"}, {"chat_template.jinja", "one\n2\n"}});
  ASSERT_THAT(out.templates, SizeIs(1));
  EXPECT_EQ(out.templates[0].name, "default");
  EXPECT_THAT(out.templates[0].diff, HasSubstr("\n one\n-two\n+2\n"));
  EXPECT_THAT(out.settings, IsEmpty()) << "the template is no setting";
}

TEST_F(ReleaseDiff, NamedChatTemplates) {
  const auto out = diff(
      {{"tokenizer_config.json",
        R"({"chat_template": [{"name": "default", "template": "a"}, {"name": "tool_use", "template": "b"}]})"}},
      {{"tokenizer_config.json", R"({"chat_template": "a"})"}});
  ASSERT_THAT(out.templates, SizeIs(1));
  EXPECT_EQ(out.templates[0].name, "tool_use");
  EXPECT_THAT(out.templates[0].diff, HasSubstr("\n-b\n"));
}

TEST_F(ReleaseDiff, ATemplateThatOnlyMovedIsNoDifference) {
  const auto out = diff({{"tokenizer_config.json", R"({"chat_template": "a"})"}},
                        {{"tokenizer_config.json", "{}"}, {"chat_template.jinja", "a"}});
  EXPECT_THAT(out.templates, IsEmpty());
}

TEST_F(ReleaseDiff, EvaluationsWhereThereAreSome) {
  store.plant(
      eval_prefix("llama", "1") + "run.json",
      R"({"results": {"mmlu": {"acc,none": 0.5, "acc_stderr,none": 0.01}, "old": {"em": 1}}})");
  store.plant(eval_prefix("llama", "2") + "run.json",
              R"({"results": {"mmlu": {"acc,none": 0.75, "alias": "mmlu"}}})");
  store.plant(eval_prefix("llama", "2") + "broken.json", "{");
  const auto out = diff({{"a", "1"}}, {{"a", "2"}});
  ASSERT_THAT(out.metrics, SizeIs(2));
  EXPECT_EQ(out.metrics[0].name, "mmlu acc");
  EXPECT_EQ(out.metrics[0].before, 0.5);
  EXPECT_EQ(out.metrics[0].after, 0.75);
  EXPECT_EQ(out.metrics[1].name, "old em");
  EXPECT_FALSE(out.metrics[1].after);
  EXPECT_THAT(out.notes, ElementsAre(HasSubstr("broken.json")));
}

TEST_F(ReleaseDiff, WhatCannotBeUnderstoodIsANote) {
  const auto out = diff({{"config.json", "{"}, {"model.safetensors", "not one at all"}},
                        {{"config.json", "{}"}, {"model.safetensors", "neither this"}});
  EXPECT_THAT(out.notes, ElementsAre(HasSubstr("config.json"), HasSubstr("tensors")));
  EXPECT_THAT(out.files, SizeIs(2));
  EXPECT_FALSE(out.tensors_compared);
}

TEST_F(ReleaseDiff, AcrossStores) {
  MemoryStore other({.uri = "memory:/other"});
  const Manifest a = publish("1", {{"config.json", R"({"a": 1})"}}, store);
  const Manifest b = publish("1", {{"config.json", R"({"a": 2})"}}, other);
  const auto out = diff_releases({&store, a}, {&other, b}, {});
  ASSERT_THAT(out.settings, SizeIs(1));
  EXPECT_EQ(out.settings[0].after, "2");
}

}  // namespace
}  // namespace dray::test
