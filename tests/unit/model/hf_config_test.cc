#include "dray/model/hf_config.h"

#include <gtest/gtest.h>

#include <limits>

#include "dray/base/bytes.h"
#include "dray/base/error.h"

namespace dray {
namespace {

HfConfig config_of(std::string_view text) { return parse_hf_config(text, "config.json"); }

constexpr std::string_view kLlama3 = R"({
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
  "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
  "num_hidden_layers": 32, "max_position_embeddings": 131072, "vocab_size": 128256})";

TEST(HfConfig, ReadsALlama) {
  const auto config = config_of(kLlama3);
  EXPECT_EQ(config.architecture, "LlamaForCausalLM");
  EXPECT_EQ(config.model_type, "llama");
  EXPECT_EQ(config.dtype, "bfloat16");
  EXPECT_EQ(config.quantization, "");
  EXPECT_EQ(config.num_key_value_heads, 8U);
  EXPECT_EQ(config.max_position_embeddings, 131072U);
}

TEST(HfConfig, LooksIntoTheTextPartOfMultimodalModels) {
  const auto config = config_of(R"({"architectures":["LlavaForConditionalGeneration"],
      "model_type":"llava","text_config":{"model_type":"llama","hidden_size":4096,
      "num_hidden_layers":40,"dtype":"float16","vocab_size":32064},"vision_config":{"hidden_size":1024}})");
  EXPECT_EQ(config.model_type, "llava");
  EXPECT_EQ(config.hidden_size, 4096U);
  EXPECT_EQ(config.num_hidden_layers, 40U);
  EXPECT_EQ(config.dtype, "float16");
  EXPECT_EQ(config_of(R"({"llm_config":{"hidden_size":5}})").hidden_size, 5U);
}

TEST(HfConfig, TheOuterObjectWins) {
  EXPECT_EQ(config_of(R"({"hidden_size":1,"text_config":{"hidden_size":2}})").hidden_size, 1U);
}

TEST(HfConfig, UnderstandsOlderNames) {
  const auto gpt2 = config_of(
      R"({"architectures":["GPT2LMHeadModel"],"n_embd":768,"n_head":12,"n_layer":12,"n_positions":1024})");
  EXPECT_EQ(gpt2.hidden_size, 768U);
  EXPECT_EQ(gpt2.num_attention_heads, 12U);
  EXPECT_EQ(gpt2.num_hidden_layers, 12U);
  EXPECT_EQ(gpt2.max_position_embeddings, 1024U);
  EXPECT_EQ(config_of(R"({"d_model":512,"num_layers":6,"num_heads":8,"d_kv":64})").head_dim, 64U);
}

TEST(HfConfig, ToleratesWhatPythonWrites) {
  const auto config = config_of(
      R"({"time_step_limit":[0.0,Infinity],"a":-Infinity,"b":NaN,"c":"NaN \" Infinity","hidden_size":7})");
  EXPECT_EQ(config.hidden_size, 7U);
}

TEST(HfConfig, AFieldIsSetAndWhatPythonWritesStays) {
  const std::string text = set_in_hf_config(
      R"({"z":[0.0,Infinity],"a":-Infinity,"b":NaN,"c":"NaN \" Infinity","eps":1e-05,"q":1})", "q",
      {{"bits", 4}}, "config.json");
  EXPECT_EQ(text, R"({
  "a": -Infinity,
  "b": NaN,
  "c": "NaN \" Infinity",
  "eps": 1e-05,
  "q": {
    "bits": 4
  },
  "z": [
    0.0,
    Infinity
  ]
}
)");
  EXPECT_THROW(set_in_hf_config("[1]", "q", 1, "config.json"), Error);
}

TEST(HfConfig, AModelIsQuantizedWhereverItSaysSo) {
  EXPECT_EQ(config_of(R"({"quantization_config":{"quant_method":"awq"}})").quantization, "awq");
  EXPECT_EQ(config_of(R"({"compression_config":{"format":"x"}})").quantization, "unknown");
  EXPECT_EQ(
      config_of(R"({"text_config":{"quantization_config":{"quant_method":"fp8"}}})").quantization,
      "fp8");
  EXPECT_EQ(config_of(R"({"quantization_config":null})").quantization, "");
}

TEST(HfConfig, OddTypesCountAsAbsent) {
  const auto config = config_of(
      R"({"architectures":"x","model_type":null,"hidden_size":"big","num_hidden_layers":-3,
          "num_key_value_heads":[1,2],"head_dim":null,"quantization_config":[],"text_config":7})");
  EXPECT_EQ(config.architecture, "");
  EXPECT_FALSE(config.hidden_size || config.num_hidden_layers || config.num_key_value_heads ||
               config.head_dim);
  EXPECT_EQ(config_of(R"({"architectures":[]})").architecture, "");
  EXPECT_EQ(config_of(R"({"architectures":["\u001b[31m"]})").architecture, "");
}

TEST(HfConfig, ReadsTheQuantization) {
  EXPECT_EQ(config_of(R"({"quantization_config":{"quant_method":"mxfp4"}})").quantization, "mxfp4");
}

TEST(HfConfig, NoObjectIsMalformed) {
  for (const auto* text : {"", "[]", "7", "{", "<html>"}) {
    try {
      config_of(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::malformed);
    }
  }
}

TEST(HfConfig, EstimateIsWeightsPlusCachePlusATenth) {
  const auto config = config_of(kLlama3);
  const std::uint64_t weights = 16 * kGiB;
  // 2 (K, V) x 8 heads x 128 x 2 bytes x 32 layers = 128 KiB a token.
  const std::uint64_t cache = 8192 * 128 * kKiB;
  EXPECT_EQ(estimate_gpu_bytes(config, weights), (weights + cache) + (weights + cache) / 10);
  const std::uint64_t longer = 131072 * 128 * kKiB;
  EXPECT_EQ(estimate_gpu_bytes(config, weights, 131072),
            (weights + longer) + (weights + longer) / 10);
}

TEST(HfConfig, EstimateKnowsLatentAttention) {
  const auto config = config_of(
      R"({"hidden_size":7168,"num_attention_heads":128,"num_key_value_heads":128,"num_hidden_layers":61,
          "kv_lora_rank":512,"qk_rope_head_dim":64,"max_position_embeddings":163840})");
  const std::uint64_t cache = 8192ULL * (512 + 64) * 2 * 61;
  EXPECT_EQ(estimate_gpu_bytes(config, 0), cache + cache / 10);
}

TEST(HfConfig, EstimateOfAShortModelUsesItsOwnContext) {
  const auto config = config_of(
      R"({"hidden_size":64,"num_attention_heads":4,"num_hidden_layers":2,"max_position_embeddings":512})");
  const std::uint64_t cache = 512ULL * 2 * 64 * 2 * 2;
  EXPECT_EQ(estimate_gpu_bytes(config, 0), cache + cache / 10);
}

TEST(HfConfig, EstimateWithoutFieldsIsTheWeights) {
  EXPECT_EQ(estimate_gpu_bytes({}, 1000), 1100U);
  HfConfig no_heads;
  no_heads.num_attention_heads = 0;
  no_heads.hidden_size = 64;
  no_heads.num_hidden_layers = 2;
  EXPECT_EQ(estimate_gpu_bytes(no_heads, 1000), 1100U);
}

TEST(HfConfig, EstimateOfHostileNumbersSaturates) {
  const auto max = std::numeric_limits<std::uint64_t>::max();
  const auto config = config_of(
      R"({"hidden_size":18446744073709551615,"num_attention_heads":1,"num_hidden_layers":18446744073709551615})");
  EXPECT_EQ(estimate_gpu_bytes(config, 5), max);
  EXPECT_EQ(estimate_gpu_bytes({}, max), max);
}

}  // namespace
}  // namespace dray
