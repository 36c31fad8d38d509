#include "dray/quantize/scheme.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "dray/base/error.h"
#include "tests/support/errors.h"

namespace dray::quantize {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;

TensorInfo weight(std::uint64_t rows, std::uint64_t columns, std::string dtype = "BF16") {
  return {"q.weight", std::move(dtype), {rows, columns}, {}};
}

/// "name dtype [shape]" of each.
std::vector<std::string> outputs(const std::string& scheme, const TensorInfo& of,
                                 const SchemeOptions& options = {}) {
  std::vector<std::string> out;
  for (const auto& tensor : outputs_of(find_scheme(scheme, options), of)) {
    std::string line = tensor.name + " " + tensor.dtype;
    for (const auto size : tensor.shape) line += " " + std::to_string(size);
    out.push_back(line);
  }
  return out;
}

TEST(QuantizeScheme, WhatTakesTheWeightsPlace) {
  const TensorInfo matrix = weight(300, 256);
  EXPECT_THAT(outputs("W4A16", matrix),
              ElementsAre("q.weight_packed I32 300 32", "q.weight_scale BF16 300 2",
                          "q.weight_shape I64 2"));
  EXPECT_THAT(outputs("W4A16_ASYM", matrix),
              ElementsAre("q.weight_packed I32 300 32", "q.weight_scale BF16 300 2",
                          "q.weight_shape I64 2", "q.weight_zero_point I32 38 2"));
  EXPECT_THAT(outputs("w8a16", weight(300, 256, "F32"), {.group = 64}),
              ElementsAre("q.weight_packed I32 300 64", "q.weight_scale F32 300 4",
                          "q.weight_shape I64 2"));
  EXPECT_THAT(outputs("W8A8", matrix),
              ElementsAre("q.weight I8 300 256", "q.weight_scale BF16 300 1"));
  EXPECT_THAT(outputs("FP8_DYNAMIC", matrix),
              ElementsAre("q.weight F8_E4M3 300 256", "q.weight_scale BF16 300 1"));
  EXPECT_THAT(outputs("FP8_BLOCK", matrix),
              ElementsAre("q.weight F8_E4M3 300 256", "q.weight_scale BF16 3 2"));
  EXPECT_THAT(outputs("NVFP4A16", matrix),
              ElementsAre("q.weight_packed U8 300 128", "q.weight_scale F8_E4M3 300 16",
                          "q.weight_global_scale F32 1"));
  EXPECT_THAT(outputs("MXFP4A16", matrix),
              ElementsAre("q.weight_packed U8 300 128", "q.weight_scale U8 300 8"));
  EXPECT_THAT(outputs("MXFP8A16", matrix),
              ElementsAre("q.weight F8_E4M3 300 256", "q.weight_scale U8 300 8"));
}

TEST(QuantizeScheme, WhatIsNoSchemeIsSaid) {
  const auto error_of = [](const std::string& name, const SchemeOptions& options = {}) {
    return test::error_of([&] { find_scheme(name, options); });
  };
  EXPECT_EQ(error_of("W4A17").code(), Code::usage);
  EXPECT_THAT(error_of("W4A17").hint(), HasSubstr("W4A16"));
  EXPECT_THAT(error_of("FP8").hint(), HasSubstr("FP8_DYNAMIC"));
  EXPECT_EQ(error_of("W4A16", {.group = 48}).code(), Code::usage);
  EXPECT_EQ(error_of("FP8_DYNAMIC", {.group = 64}).code(), Code::usage);
  EXPECT_EQ(error_of("MXFP4A16", {.symmetric = false}).code(), Code::usage);
  EXPECT_EQ(find_scheme("int8").name, "W8A8");
}

TEST(QuantizeScheme, WhatCannotBeQuantizedSaysWhatWould) {
  const Scheme w4 = find_scheme("W4A16");
  EXPECT_EQ(why_not(w4, weight(8, 256)), std::nullopt);
  EXPECT_THAT(why_not(w4, weight(8, 576)), Optional(HasSubstr("a group of 64 fits")));
  EXPECT_THAT(why_not(w4, weight(8, 100)), Optional(HasSubstr("no multiple of the group of 128")));
  EXPECT_THAT(why_not(w4, weight(8, 256, "F8_E4M3")), Optional(HasSubstr("this is F8_E4M3")));
  EXPECT_THAT(why_not(w4, {"c", "BF16", {8, 3, 128}, {}}), Optional(HasSubstr("3 dimensions")));
  EXPECT_THAT(why_not(w4, weight(0, 128)), Optional(HasSubstr("empty")));
  EXPECT_EQ(why_not(find_scheme("FP8_DYNAMIC"), weight(8, 100)), std::nullopt);
  EXPECT_NE(why_not(find_scheme("NVFP4A16"), weight(8, 100)), std::nullopt);
}

/// As compressed-tensors writes it.
TEST(QuantizeScheme, TheConfiguration) {
  const Json expected = parse_json(R"({
    "config_groups": {"group_0": {
      "format": "pack-quantized", "input_activations": null, "output_activations": null,
      "targets": ["Linear"],
      "weights": {"actorder": null, "block_structure": null, "dynamic": false, "group_size": 128,
                  "num_bits": 4, "observer": null, "observer_kwargs": {},
                  "scale_dtype": null, "strategy": "group", "symmetric": true, "type": "int",
                  "zp_dtype": null}}},
    "format": "pack-quantized", "global_compression_ratio": null, "ignore": ["lm_head"],
    "kv_cache_scheme": null, "quant_method": "compressed-tensors",
    "quantization_status": "compressed", "sparsity_config": {}, "transform_config": {},
    "version": "0.19.0"})",
                                   "expected");
  EXPECT_EQ(quantization_config(find_scheme("W4A16"), {"lm_head"}), expected);
}

Json part(const std::string& scheme, const char* which) {
  return quantization_config(find_scheme(scheme), {})["config_groups"]["group_0"][which];
}

TEST(QuantizeScheme, TheConfigurationOfTheOthers) {
  EXPECT_EQ(part("W4A16_ASYM", "weights")["zp_dtype"], "torch.int8");
  EXPECT_EQ(part("W8A8", "weights")["strategy"], "channel");
  EXPECT_EQ(part("W8A8", "weights")["group_size"], nullptr);
  EXPECT_EQ(part("FP8_BLOCK", "weights")["block_structure"], Json::array({128, 128}));
  EXPECT_EQ(part("NVFP4A16", "weights")["scale_dtype"], "torch.float8_e4m3fn");
  EXPECT_EQ(part("NVFP4A16", "weights")["strategy"], "tensor_group");
  EXPECT_EQ(part("MXFP8A16", "weights")["scale_dtype"], "torch.uint8");
  const Json token = part("FP8_DYNAMIC", "input_activations");
  EXPECT_EQ(token["strategy"], "token");
  EXPECT_EQ(token["dynamic"], true);
  EXPECT_EQ(token["observer"], nullptr);
  EXPECT_EQ(part("FP8_BLOCK", "input_activations")["group_size"], 128);
}

}  // namespace
}  // namespace dray::quantize
