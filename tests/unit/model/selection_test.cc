#include "dray/model/selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "dray/base/error.h"
#include "tests/support/listing.h"

namespace dray {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> paths(const Choice& choice) {
  std::vector<std::string> out;
  for (const auto& file : choice.files) out.push_back(file.path);
  return out;
}

Choice choose(const test::Listing& listing, const Selection& selection = {}) {
  return choose_files(listing.snapshot, selection, listing.read());
}

Code code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Code::internal;
}

constexpr std::string_view kSharded = R"(
+ .gitattributes
+ README.md
+ config.json
+ model-00001-of-00002.safetensors
+ model-00002-of-00002.safetensors
+ model.safetensors.index.json
+ pytorch_model.bin
+ tokenizer.json
index model.safetensors.index.json model-{00001..00002}-of-00002.safetensors
text config.json {"architectures":["LlamaForCausalLM"],"vocab_size":32000}
)";

TEST(Selection, AllFilesTakesCopiesToo) {
  const auto listing = test::parse_listing(kSharded);
  const auto choice = choose(listing, {.include = {}, .exclude = {}, .all_files = true});
  EXPECT_EQ(paths(choice), listing.taken);
  EXPECT_THAT(choice.left_out, IsEmpty());
  EXPECT_THAT(choice.problems, IsEmpty());
}

TEST(Selection, IncludeReplacesTheDefaultChoice) {
  const auto listing = test::parse_listing(kSharded);
  const auto choice = choose(listing, {.include = {"*.bin", "config.json"}, .exclude = {}});
  EXPECT_THAT(paths(choice), ElementsAre("config.json", "pytorch_model.bin"));
  EXPECT_EQ(choice.weights, "pytorch");
  EXPECT_THAT(choice.problems, ElementsAre("no tokenizer"));
}

TEST(Selection, ExcludeNarrowsTheDefaultChoice) {
  const auto listing = test::parse_listing(kSharded);
  const auto choice = choose(listing, {.include = {}, .exclude = {"*.md"}});
  EXPECT_THAT(paths(choice), testing::Not(Contains("README.md")));
  EXPECT_THAT(paths(choice), testing::Not(Contains("pytorch_model.bin")));
  EXPECT_EQ(choice.weights, "safetensors");
}

TEST(Selection, ExcludeWinsOverAllFilesAndInclude) {
  const auto listing = test::parse_listing(kSharded);
  EXPECT_THAT(
      paths(
          choose(listing, {.include = {"*.json"}, .exclude = {"*.index.json"}, .all_files = true})),
      ElementsAre("config.json", "tokenizer.json"));
}

TEST(Selection, SaysWhyFilesAreLeftAndHowMuch) {
  const auto choice = choose(test::parse_listing(R"(
+ config.json
+ model.safetensors 1000
- pytorch_model.bin 1001
- flax_model.msgpack 1002
- onnx/model.onnx 500
- onnx/model_q4.onnx 200
+ tokenizer.json
)"));
  ASSERT_EQ(choice.left_out.size(), 3U);
  EXPECT_EQ(choice.left_out[0].why, "Flax copy of the same weights");
  EXPECT_EQ(choice.left_out[1].why, "ONNX copy of the same weights");
  EXPECT_EQ(choice.left_out[1].bytes, 700U);
  EXPECT_THAT(choice.left_out[1].paths, ElementsAre("onnx/model.onnx", "onnx/model_q4.onnx"));
  EXPECT_EQ(choice.left_out[2].why, "PyTorch copy of the same weights");
}

TEST(Selection, NothingSelectedIsUsage) {
  const auto listing = test::parse_listing(kSharded);
  EXPECT_EQ(code_of([&] { choose(listing, {.include = {"*.gguf"}, .exclude = {}}); }), Code::usage);
}

TEST(Selection, EmptyRepositoryIsUsage) {
  EXPECT_EQ(code_of([] { choose(test::parse_listing("")); }), Code::usage);
}

TEST(Selection, OnlyHousekeepingIsUsage) {
  EXPECT_EQ(code_of([] { choose(test::parse_listing("- .gitattributes")); }), Code::usage);
}

TEST(Selection, DocumentationAloneHasNoWeights) {
  const auto choice = choose(test::parse_listing("+ README.md"));
  EXPECT_EQ(choice.weights, "none");
  EXPECT_THAT(choice.problems, ElementsAre("no weights"));
}

// ---- indexes

TEST(Selection, IndexNamingAFileThatIsNotThereIsMalformed) {
  const auto listing = test::parse_listing(R"(
+ config.json
+ model-00001-of-00002.safetensors
+ model.safetensors.index.json
index model.safetensors.index.json model-{00001..00002}-of-00002.safetensors
)");
  try {
    choose(listing);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::malformed);
    EXPECT_THAT(error.what(), HasSubstr("model-00002-of-00002.safetensors"));
  }
}

TEST(Selection, StaleIndexBesideASingleFileIsLeft) {
  const auto choice = choose(test::parse_listing(R"(
+ config.json
+ model.safetensors
- model.safetensors.index.json
+ tokenizer.json
index model.safetensors.index.json model-{00001..00002}-of-00002.safetensors
)"));
  EXPECT_THAT(paths(choice), ElementsAre("config.json", "model.safetensors", "tokenizer.json"));
  ASSERT_EQ(choice.left_out.size(), 1U);
  EXPECT_THAT(choice.problems, IsEmpty());
}

struct BadIndex {
  std::string_view name, content;
};

class SelectionBadIndex : public testing::TestWithParam<BadIndex> {};

TEST_P(SelectionBadIndex, IsMalformed) {
  auto listing = test::parse_listing("+ model.safetensors.index.json\n+ model-1-of-1.safetensors");
  if (!GetParam().content.empty())
    listing.contents["model.safetensors.index.json"] = GetParam().content;
  EXPECT_EQ(code_of([&] { choose(listing); }), Code::malformed);
}

INSTANTIATE_TEST_SUITE_P(
    Texts, SelectionBadIndex,
    testing::Values(BadIndex{"Unreadable", ""}, BadIndex{"NoJson", "<html>"},
                    BadIndex{"NoObject", "[]"}, BadIndex{"NoMap", R"({"metadata":{}})"},
                    BadIndex{"EmptyMap", R"({"weight_map":{}})"},
                    BadIndex{"NoText", R"({"weight_map":{"a":1}})"},
                    BadIndex{"Climbs", R"({"weight_map":{"a":"../../etc/passwd"}})"},
                    BadIndex{"Absolute", R"({"weight_map":{"a":"/etc/passwd"}})"}),
    [](const auto& param) { return std::string(param.param.name); });

TEST(Selection, IndexInASubfolderNamesItsNeighbours) {
  const auto choice = choose(test::parse_listing(R"(
+ model_index.json
+ transformer/config.json
+ transformer/diffusion_pytorch_model-00001-of-00002.safetensors
+ transformer/diffusion_pytorch_model-00002-of-00002.safetensors
- transformer/diffusion_pytorch_model-00001-of-00001.safetensors
+ transformer/diffusion_pytorch_model.safetensors.index.json
index transformer/diffusion_pytorch_model.safetensors.index.json diffusion_pytorch_model-{00001..00002}-of-00002.safetensors
)"));
  EXPECT_EQ(choice.files.size(), 5U);
  EXPECT_THAT(choice.problems, IsEmpty());
}

TEST(Selection, UnnamedSafetensorsAreLeftButAdaptersStay) {
  const auto choice = choose(test::parse_listing(R"(
+ adapter_model.safetensors
+ config.json
- extra.safetensors
+ model-00001-of-00001.safetensors
+ model.safetensors.index.json
+ tokenizer.json
index model.safetensors.index.json model-00001-of-00001.safetensors
)"));
  ASSERT_EQ(choice.left_out.size(), 1U);
  EXPECT_THAT(choice.left_out[0].paths, ElementsAre("extra.safetensors"));
  EXPECT_EQ(choice.weights, "safetensors");
}

// ---- whether it can be served

TEST(Selection, ShardOfTheIndexNotSelectedIsAProblem) {
  const auto listing = test::parse_listing(kSharded);
  const auto choice = choose(listing, {.include = {}, .exclude = {"model-00002-*"}});
  ASSERT_EQ(choice.problems.size(), 1U);
  EXPECT_THAT(choice.problems[0], HasSubstr("model-00002-of-00002.safetensors"));
  EXPECT_THAT(choice.problems[0], HasSubstr("is not selected"));
}

TEST(Selection, AllFilesOfABrokenRepositoryNamesTheProblem) {
  const auto listing = test::parse_listing(R"(
+ config.json
+ model-00001-of-00002.safetensors
+ model.safetensors.index.json
+ tokenizer.json
index model.safetensors.index.json model-{00001..00002}-of-00002.safetensors
)");
  const auto choice = choose(listing, {.include = {}, .exclude = {}, .all_files = true});
  ASSERT_EQ(choice.problems.size(), 1U);
  EXPECT_THAT(choice.problems[0], HasSubstr("is not in the repository"));
}

TEST(Selection, IncompleteSplitWithoutIndexIsAProblem) {
  const auto choice = choose(test::parse_listing(R"(
+ config.json
+ model-00001-of-00003.safetensors
+ model-00003-of-00003.safetensors
+ tokenizer.json
)"));
  EXPECT_THAT(choice.problems,
              ElementsAre("only 2 of the 3 shards of model.safetensors are there"));
}

TEST(Selection, WithoutIndexTheCompleteSplitIsTaken) {
  const auto choice = choose(test::parse_listing(R"(
+ config.json
- model-00001-of-00002.safetensors
+ model-00001-of-00003.safetensors
+ model-00002-of-00003.safetensors
+ model-00003-of-00003.safetensors
+ tokenizer.json
)"));
  EXPECT_EQ(choice.files.size(), 5U);
  EXPECT_THAT(choice.problems, IsEmpty());
}

TEST(Selection, MissingConfigIsAProblem) {
  EXPECT_THAT(choose(test::parse_listing("+ model.safetensors\n+ 1_Pooling/config.json")).problems,
              ElementsAre("no config.json"));
}

TEST(Selection, ConfigBelowServesWeightsBelow) {
  EXPECT_THAT(choose(test::parse_listing(R"(
+ 0_Transformer/config.json
+ 0_Transformer/pytorch_model.bin
+ modules.json
)"))
                  .problems,
              IsEmpty());
}

struct TokenizerCase {
  std::string_view name, config, files;
  bool problem;
};

class SelectionTokenizer : public testing::TestWithParam<TokenizerCase> {};

TEST_P(SelectionTokenizer, IsAskedOfTextModelsOnly) {
  auto listing =
      test::parse_listing("+ config.json\n+ model.safetensors\n" + std::string(GetParam().files));
  listing.contents["config.json"] = GetParam().config;
  EXPECT_EQ(!choose(listing).problems.empty(), GetParam().problem);
}

constexpr std::string_view kText = R"({"architectures":["LlamaForCausalLM"],"vocab_size":32000})";

INSTANTIATE_TEST_SUITE_P(
    Models, SelectionTokenizer,
    testing::Values(
        TokenizerCase{"TextWithout", kText, "", true},
        TokenizerCase{"TextWithSettingsOnly", kText, "+ tokenizer_config.json", true},
        TokenizerCase{"TextWithFast", kText, "+ tokenizer.json", false},
        TokenizerCase{"TextWithSentencePiece", kText, "+ spiece.model", false},
        TokenizerCase{"TextWithTiktoken", kText, "+ qwen.tiktoken", false},
        TokenizerCase{"TextWithVocabulary", kText, "+ vocab.txt", false},
        TokenizerCase{"Nested",
                      R"({"architectures":["LlavaForConditionalGeneration"],
                          "text_config":{"vocab_size":32000}})",
                      "", true},
        TokenizerCase{"Vision", R"({"architectures":["ViTForImageClassification"]})", "", false},
        TokenizerCase{"ImagePatches",
                      R"({"architectures":["BeitModel"],"model_type":"beit","vocab_size":8192})",
                      "", false},
        TokenizerCase{"SoundUnits", R"({"architectures":["HubertModel"],"vocab_size":32})", "",
                      false},
        TokenizerCase{"NoArchitecture", R"({"vocab_size":32000})", "", false},
        TokenizerCase{"BrokenConfig", "{", "", true}),
    [](const auto& param) { return std::string(param.param.name); });

TEST(Selection, ErrorsOfReadingAreNotTakenForAbsence) {
  const auto listing = test::parse_listing("+ config.json\n+ model.safetensors");
  const ReadSmall broken = [](const std::string&) -> std::optional<std::string> {
    throw Error(Code::network, "connection reset");
  };
  EXPECT_EQ(code_of([&] { choose_files(listing.snapshot, {}, broken); }), Code::network);
}

TEST(Selection, AdapterNamesItsBase) {
  const auto base = [](const std::string& text) {
    auto listing = test::parse_listing("+ adapter_config.json\n+ adapter_model.safetensors");
    listing.contents["adapter_config.json"] = text;
    const auto choice = choose(listing);
    EXPECT_EQ(choice.weights, "adapter");
    EXPECT_THAT(choice.problems, IsEmpty());
    return choice.base_model;
  };
  EXPECT_EQ(base(R"({"base_model_name_or_path":"meta-llama/Llama-2-7b-hf"})"),
            "meta-llama/Llama-2-7b-hf");
  EXPECT_EQ(base(R"({"base_model_name_or_path":"/home/me/llama"})"), "");
  EXPECT_EQ(base(R"({"base_model_name_or_path":"../llama"})"), "");
  EXPECT_EQ(base(R"({"base_model_name_or_path":7})"), "");
  EXPECT_EQ(base("{"), "");
}

// ---- order and size

TEST(Selection, WeightsArePublishedFirstAndEntrancesLast) {
  for (const auto* path : {"model-00001-of-00002.safetensors", "pytorch_model.bin", "a/b.gguf",
                           "onnx/model.onnx", "m.nemo"})
    EXPECT_EQ(publish_rank(path), 0) << path;
  for (const auto* path : {"README.md", "tokenizer.json", "tokenizer.model", "a/scheduler.json"})
    EXPECT_EQ(publish_rank(path), 1) << path;
  for (const auto* path : {"config.json", "unet/config.json", "model.safetensors.index.json",
                           "pytorch_model.bin.index.json", "model_index.json"})
    EXPECT_EQ(publish_rank(path), 2) << path;
}

TEST(Selection, TenThousandFilesAreTaken) {
  const auto listing = test::parse_listing(R"(
+ config.json
+ voices/{00001..10000}.json
+ model.safetensors
+ tokenizer.json
)");
  EXPECT_EQ(choose(listing).files.size(), 10'003U);
}

}  // namespace
}  // namespace dray
