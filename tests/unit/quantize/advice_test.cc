#include "dray/quantize/advice.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace dray::quantize {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<TensorInfo> layers(const std::string& module, std::uint64_t rows,
                               std::uint64_t columns) {
  std::vector<TensorInfo> out;
  for (const char* layer : {"0", "1", "17"})
    out.push_back({"model.layers." + std::string(layer) + "." + module + ".weight",
                   "BF16",
                   {rows, columns},
                   {}});
  return out;
}

TEST(QuantizeAdvice, NothingIsSaidOfShapesThatKernelsTake) {
  for (const std::string& name : scheme_names()) {
    EXPECT_THAT(advice_on(find_scheme(name), layers("mlp.up_proj", 14336, 4096)), IsEmpty());
    EXPECT_THAT(advice_on(find_scheme(name), layers("mlp.down_proj", 4096, 14336)), IsEmpty());
  }
}

TEST(QuantizeAdvice, ColumnsThatAreCutTooSmallAreToldOncePerShape) {
  // Qwen2.5-7B: 18944 columns over 8 GPUs.
  EXPECT_THAT(advice_on(find_scheme("W4A16"), layers("mlp.down_proj", 3584, 18944)),
              ElementsAre("vLLM's Marlin kernel does not take model.layers.*.mlp.down_proj "
                          "(3584 × 18944) on 8 GPUs: 2368 columns are no multiple of 128; "
                          "it does on 1, 2, 4"));
}

TEST(QuantizeAdvice, RowsAreCutInProjectionsOutOfTheHiddenSize) {
  EXPECT_THAT(advice_on(find_scheme("FP8_BLOCK"), layers("self_attn.k_proj", 512, 4096)),
              ElementsAre("vLLM's block-wise FP8 does not take model.layers.*.self_attn.k_proj "
                          "(512 × 4096) on 8 GPUs: 64 rows are no multiple of 128; it does on 1, "
                          "2, 4"));
}

TEST(QuantizeAdvice, ShapesThatNoKernelTakesAtAll) {
  // SmolLM2-135M: a hidden size of 576.
  const Scheme scheme = find_scheme("W4A16", {.group = 64});
  EXPECT_THAT(advice_on(scheme, layers("mlp.up_proj", 1536, 576)),
              ElementsAre("vLLM's Machete kernel (Hopper GPUs) takes groups of 128 only; with 64 "
                          "others serve it",
                          "vLLM's Marlin kernel does not take model.layers.*.mlp.up_proj (1536 × "
                          "576): 576 columns are no multiple of 128; a slower one serves it"));
}

TEST(QuantizeAdvice, BlocksThatAreCutByTheLastColumnDoNotRunInTransformers) {
  EXPECT_THAT(advice_on(find_scheme("FP8_BLOCK"), layers("mlp.up_proj", 1536, 576)),
              ElementsAre("vLLM's block-wise FP8 does not take model.layers.*.mlp.up_proj (1536 × "
                          "576): 576 columns are no multiple of 128; a slower one serves it",
                          "transformers does not run model.layers.*.mlp.up_proj (1536 × 576): "
                          "activations are quantized in groups of 128, which do not divide its 576 "
                          "columns"));
  // Rows may be any number, and other schemes quantize activations by whole tokens.
  for (const auto& text : advice_on(find_scheme("FP8_BLOCK"), layers("mlp.up_proj", 576, 1536)))
    EXPECT_THAT(text, Not(HasSubstr("transformers")));
  EXPECT_THAT(advice_on(find_scheme("FP8_DYNAMIC"), layers("mlp.up_proj", 1536, 576)), IsEmpty());
}

TEST(QuantizeAdvice, AsymmetricBytes) {
  EXPECT_THAT(advice_on(find_scheme("W8A16", {.symmetric = false}), {}),
              ElementsAre("vLLM serves asymmetric integers of 4 bits only"));
}

}  // namespace
}  // namespace dray::quantize
