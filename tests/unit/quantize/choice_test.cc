#include "dray/quantize/choice.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "dray/base/error.h"
#include "tests/support/errors.h"

namespace dray::quantize {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TensorInfo matrix(const std::string& module, std::uint64_t columns = 256) {
  return {module + ".weight", "BF16", {64, columns}, {}};
}

std::vector<TensorInfo> llama() {
  std::vector<TensorInfo> out = {matrix("model.embed_tokens"), matrix("lm_head")};
  const std::string layer = "model.layers.0.";
  for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                           "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"})
    out.push_back(matrix(layer + name));
  out.push_back({layer + "input_layernorm.weight", "BF16", {64}, {}});
  out.push_back({layer + "self_attn.q_proj.bias", "BF16", {64}, {}});
  return out;
}

WeightChoice choose(const std::vector<TensorInfo>& tensors, std::vector<std::string> ignore = {}) {
  return choose_weights(find_scheme("W4A16"), tensors, {.ignore = std::move(ignore), .layers = 1});
}

TEST(QuantizeChoice, LinearLayersOfLlama) {
  const WeightChoice choice = choose(llama());
  EXPECT_EQ(choice.quantized.size(), 7u);
  EXPECT_THAT(choice.quantized, Contains("model.layers.0.mlp.down_proj.weight"));
  EXPECT_EQ(choice.kept.size(), 2u) << "vectors are no question";
  EXPECT_THAT(choice.ignore, ElementsAre("lm_head"));
}

TEST(QuantizeChoice, TheHeadIsIgnoredEvenWhereItIsTied) {
  auto tensors = llama();
  std::erase_if(tensors, [](const auto& tensor) { return tensor.name == "lm_head.weight"; });
  EXPECT_THAT(choose(tensors).ignore, ElementsAre("lm_head"));
}

TEST(QuantizeChoice, WhatStaysInEachFamily) {
  const std::pair<const char*, const char*> cases[] = {
      {"model.layers.3.mlp.gate", "router"},                         // Qwen-MoE, DeepSeek
      {"model.layers.3.block_sparse_moe.gate", "router"},            // Mixtral
      {"model.layers.3.block_sparse_moe.router.layer", "router"},    // Granite-MoE
      {"model.layers.3.feed_forward.router", "router"},              // Llama 4
      {"model.layers.3.mlp.shared_expert_gate", "router"},           // Qwen2-MoE
      {"model.layers.3.self_attn.indexer.weights_proj", "indexer"},  // DeepSeek 3.2
      {"model.layers.3.linear_attn.conv1d", "convolution"},          // Qwen3-Next
      {"visual.blocks.0.attn.qkv", "vision tower"},                  // Qwen-VL
      {"model.vision_tower.encoder.layers.0.mlp.fc1", "vision tower"},
      {"model.multi_modal_projector.linear_1", "projector"},
      {"audio_tower.layers.0.fc1", "audio tower"},
      {"model.embed_tokens_per_layer", "embeddings"},  // Gemma 3n
      {"transformer.wte", "embeddings"},
      {"mtp.layers.0.self_attn.q_proj", "predicts further tokens"},
      {"language_model.lm_head", "output head"},
      {"model.layers.3.self_attn.q_norm", "norm"}};
  for (const auto& [module, kind] : cases) EXPECT_EQ(kept_kind(module), kind) << module;
  for (const char* module :
       {"model.layers.3.mlp.gate_proj", "model.layers.3.mlp.experts.7.gate_proj",
        "model.layers.3.self_attn.qkv_proj", "model.layers.3.block_sparse_moe.experts.0.w1",
        "model.layers.3.self_attn.kv_a_proj_with_mqa", "model.layers.3.mlp.gate_up_proj"})
    EXPECT_EQ(kept_kind(module), std::nullopt) << module;
}

TEST(QuantizeChoice, LayersThatPredictFurtherTokensStay) {
  auto tensors = llama();
  tensors.push_back(matrix("model.layers.1.mlp.down_proj"));
  EXPECT_THAT(choose(tensors).ignore, ElementsAre("lm_head", "model.layers.1.mlp.down_proj"));
}

TEST(QuantizeChoice, WhatIsIgnoredByName) {
  const WeightChoice choice = choose(llama(), {"*.down_proj"});
  EXPECT_THAT(choice.quantized, Not(Contains(HasSubstr("down_proj"))));
  EXPECT_THAT(choice.ignore, ElementsAre("lm_head", "model.layers.0.mlp.down_proj"));
  const Error none = test::error_of([] { choose(llama(), {"*"}); });
  EXPECT_EQ(none.code(), Code::usage);
}

TEST(QuantizeChoice, WhatServersLoadAsOneIsTreatedAlike) {
  EXPECT_EQ(test::error_of([] { choose(llama(), {"*.k_proj"}); }).code(), Code::unsupported);
  EXPECT_EQ(test::error_of([] { choose(llama(), {"*.gate_proj"}); }).code(), Code::unsupported);
  EXPECT_EQ(choose(llama(), {"*.self_attn.[qkv]_proj"}).quantized.size(), 4u);
  auto experts = llama();
  for (const char* number : {"0", "1"})
    for (const char* name : {"gate_proj", "up_proj", "down_proj"})
      experts.push_back(matrix(std::string("model.layers.0.mlp.experts.") + number + "." + name));
  EXPECT_EQ(choose(experts).quantized.size(), 13u);
  EXPECT_EQ(test::error_of([&] { choose(experts, {"*.experts.1.*"}); }).code(), Code::unsupported);
  EXPECT_EQ(choose(experts, {"*.experts.*"}).quantized.size(), 7u);
}

TEST(QuantizeChoice, ATensorThatCannotBeQuantizedIsNamedWithWhatWouldWork) {
  auto tensors = llama();
  tensors.push_back(matrix("model.layers.0.mlp.odd_proj", 576));
  const Error error = test::error_of([&] { choose(tensors); });
  EXPECT_EQ(error.code(), Code::unsupported);
  EXPECT_EQ(error.object(), "model.layers.0.mlp.odd_proj.weight");
  EXPECT_THAT(error.what(), HasSubstr("a group of 64 fits"));
  EXPECT_THAT(error.hint(), HasSubstr("--ignore 'model.layers.0.mlp.odd_proj'"));
}

TEST(QuantizeChoice, ExpertsInOneTensorAreRefused) {
  auto tensors = llama();
  tensors.push_back({"model.layers.0.mlp.experts.gate_up_proj", "BF16", {8, 64, 256}, {}});
  EXPECT_EQ(test::error_of([&] { choose(tensors); }).code(), Code::unsupported);
  EXPECT_EQ(choose(tensors, {"*.experts.*"}).quantized.size(), 7u);
}

TEST(QuantizeChoice, WhatIsFused) {
  EXPECT_THAT(fused_with("model.layers.0.self_attn.k_proj"),
              ElementsAre("model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.k_proj",
                          "model.layers.0.self_attn.v_proj"));
  EXPECT_TRUE(fused_with("model.layers.0.mlp.down_proj").empty());
}

}  // namespace
}  // namespace dray::quantize
