#include "dray/quantize/scheme.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "dray/base/error.h"

namespace dray::quantize {

namespace {

constexpr std::array kPresets = {
    Scheme{"FP8_DYNAMIC", "float-quantized", Element::fp8, 8, true, Sharing::channel, 0,
           ScaleFormat::weights, Activations::fp8_token},
    Scheme{"W4A16", "pack-quantized", Element::integer, 4, true, Sharing::group, 128,
           ScaleFormat::weights, Activations::none},
    Scheme{"W4A16_ASYM", "pack-quantized", Element::integer, 4, false, Sharing::group, 128,
           ScaleFormat::weights, Activations::none},
    Scheme{"W8A16", "pack-quantized", Element::integer, 8, true, Sharing::group, 128,
           ScaleFormat::weights, Activations::none},
    Scheme{"W8A8", "int-quantized", Element::integer, 8, true, Sharing::channel, 0,
           ScaleFormat::weights, Activations::int8_token},
    Scheme{"FP8_BLOCK", "float-quantized", Element::fp8, 8, true, Sharing::block, 0,
           ScaleFormat::weights, Activations::fp8_group},
    Scheme{"NVFP4A16", "nvfp4-pack-quantized", Element::fp4, 4, true, Sharing::tensor_group, 16,
           ScaleFormat::e4m3, Activations::none},
    Scheme{"MXFP4A16", "mxfp4-pack-quantized", Element::fp4, 4, true, Sharing::group, 32,
           ScaleFormat::e8m0, Activations::none},
    Scheme{"MXFP8A16", "mxfp8-quantized", Element::fp8, 8, true, Sharing::group, 32,
           ScaleFormat::e8m0, Activations::none},
};

/// Presets whose activations need data, and the nearest that does not.
struct Calibrated {
  std::string_view name, instead;
};
constexpr std::array kCalibrated = {Calibrated{"FP8", "FP8_DYNAMIC"},
                                    Calibrated{"NVFP4", "NVFP4A16"}};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out == "INT8" ? "W8A8" : out;
}

/// All fields of QuantizationArgs, as they are when nothing is said.
Json arguments(int bits, std::string_view type, std::string_view strategy) {
  return {{"num_bits", bits},     {"type", type},          {"symmetric", true},
          {"strategy", strategy}, {"group_size", nullptr}, {"block_structure", nullptr},
          {"dynamic", false},     {"actorder", nullptr},   {"scale_dtype", nullptr},
          {"zp_dtype", nullptr},  {"observer", nullptr},   {"observer_kwargs", Json::object()}};
}

Json activations_of(Activations activations) {
  if (activations == Activations::none) return nullptr;
  Json out = activations == Activations::int8_token  ? arguments(8, "int", "token")
             : activations == Activations::fp8_token ? arguments(8, "float", "token")
                                                     : arguments(8, "float", "group");
  out["dynamic"] = true;
  if (activations == Activations::fp8_group) out["group_size"] = kBlock;
  return out;
}

std::string_view strategy_of(Sharing sharing) {
  switch (sharing) {
    case Sharing::channel:
      return "channel";
    case Sharing::group:
      return "group";
    case Sharing::block:
      return "block";
    case Sharing::tensor_group:
      return "tensor_group";
  }
  return "";
}

Json weights_of(const Scheme& scheme) {
  Json out = arguments(scheme.bits, scheme.element == Element::integer ? "int" : "float",
                       strategy_of(scheme.sharing));
  out["symmetric"] = scheme.symmetric;
  if (scheme.group != 0) out["group_size"] = scheme.group;
  if (scheme.sharing == Sharing::block) out["block_structure"] = Json::array({kBlock, kBlock});
  if (scheme.scale == ScaleFormat::e8m0) out["scale_dtype"] = "torch.uint8";
  if (scheme.scale == ScaleFormat::e4m3) out["scale_dtype"] = "torch.float8_e4m3fn";
  if (!scheme.symmetric) out["zp_dtype"] = "torch.int8";
  return out;
}

std::uint64_t words(std::uint64_t elements, int bits) {
  return (elements * static_cast<std::uint64_t>(bits) + 31) / 32;
}

/// Rows and columns of what holds the scales.
std::vector<std::uint64_t> scale_shape(const Scheme& scheme, std::uint64_t rows,
                                       std::uint64_t columns) {
  switch (scheme.sharing) {
    case Sharing::channel:
      return {rows, 1};
    case Sharing::block:
      return {(rows + kBlock - 1) / kBlock, (columns + kBlock - 1) / kBlock};
    case Sharing::group:
    case Sharing::tensor_group:
      return {rows, columns / scheme.group};
  }
  return {};
}

std::string scale_dtype(const Scheme& scheme, const TensorInfo& weight) {
  switch (scheme.scale) {
    case ScaleFormat::weights:
      return weight.dtype;
    case ScaleFormat::e8m0:
      return "U8";
    case ScaleFormat::e4m3:
      return "F8_E4M3";
  }
  return "";
}

}  // namespace

Scheme find_scheme(std::string_view name, const SchemeOptions& options) {
  const std::string wanted = upper(name);
  for (const auto& [calibrated, instead] : kCalibrated)
    if (wanted == calibrated)
      throw Error(Code::usage,
                  fmt::format("{} needs data to calibrate the activations with", wanted))
          .on("compress", std::string(name))
          .hint(fmt::format("{} needs none", instead));
  const auto found = std::find_if(kPresets.begin(), kPresets.end(),
                                  [&](const Scheme& preset) { return preset.name == wanted; });
  if (found == kPresets.end())
    throw Error(Code::usage, "no such scheme")
        .on("compress", std::string(name))
        .hint(fmt::format("one of {}", fmt::join(scheme_names(), ", ")));
  Scheme out = *found;
  if (!options.group && !options.symmetric) return out;
  if (!has_options(out))
    throw Error(Code::usage, fmt::format("{} has no choice of group size or symmetry", out.name))
        .on("compress", std::string(name));
  out.group = options.group.value_or(out.group);
  out.symmetric = options.symmetric.value_or(out.symmetric);
  if (out.group < 32 || out.group > 1024 || out.group % 32 != 0)
    throw Error(Code::usage, fmt::format("a group of {} columns", out.group))
        .on("compress", std::string(name))
        .hint("32, 64 and 128 are what vLLM has kernels for");
  return out;
}

bool has_options(const Scheme& scheme) {
  return scheme.element == Element::integer && scheme.sharing == Sharing::group;
}

std::vector<std::string> scheme_names() {
  std::vector<std::string> out;
  for (const Scheme& preset : kPresets) out.emplace_back(preset.name);
  return out;
}

std::vector<TensorInfo> outputs_of(const Scheme& scheme, const TensorInfo& weight) {
  const std::uint64_t rows = weight.shape.at(0), columns = weight.shape.at(1);
  const auto named = [&](const char* suffix, std::string dtype, std::vector<std::uint64_t> shape) {
    return TensorInfo{weight.name + suffix, std::move(dtype), std::move(shape), {}};
  };
  TensorInfo scale =
      named("_scale", scale_dtype(scheme, weight), scale_shape(scheme, rows, columns));
  if (scheme.format == "pack-quantized") {
    std::vector<TensorInfo> out = {named("_packed", "I32", {rows, words(columns, scheme.bits)}),
                                   scale, named("_shape", "I64", {2})};
    if (!scheme.symmetric)
      out.push_back(named("_zero_point", "I32", {words(rows, scheme.bits), scale.shape[1]}));
    return out;
  }
  if (scheme.element == Element::fp4) {
    std::vector<TensorInfo> out = {named("_packed", "U8", {rows, columns / 2}), scale};
    if (scheme.sharing == Sharing::tensor_group) out.push_back(named("_global_scale", "F32", {1}));
    return out;
  }
  return {named("", scheme.element == Element::fp8 ? "F8_E4M3" : "I8", weight.shape), scale};
}

std::optional<std::string> why_not(const Scheme& scheme, const TensorInfo& weight) {
  if (weight.dtype != "BF16" && weight.dtype != "F16" && weight.dtype != "F32")
    return fmt::format("{} is quantized from BF16, F16 or F32, this is {}", scheme.name,
                       weight.dtype);
  if (weight.shape.size() != 2)
    return fmt::format("a matrix is quantized, this has {} dimensions", weight.shape.size());
  if (weight.shape[0] == 0 || weight.shape[1] == 0) return "it is empty";
  const std::uint64_t columns = weight.shape[1];
  if (scheme.group == 0 || columns % scheme.group == 0) return std::nullopt;
  std::string why =
      fmt::format("its {} columns are no multiple of the group of {}", columns, scheme.group);
  if (scheme.element != Element::integer) return why;
  for (const std::uint64_t other : {128, 64, 32})
    if (columns % other == 0) return why + fmt::format("; a group of {} fits", other);
  return why;
}

Json quantization_config(const Scheme& scheme, const std::vector<std::string>& ignore) {
  const Json group = {{"targets", Json::array({"Linear"})},
                      {"weights", weights_of(scheme)},
                      {"input_activations", activations_of(scheme.activations)},
                      {"output_activations", nullptr},
                      {"format", scheme.format}};
  return {{"quant_method", "compressed-tensors"},
          {"version", "0.19.0"},
          {"format", scheme.format},
          {"quantization_status", "compressed"},
          {"global_compression_ratio", nullptr},
          {"kv_cache_scheme", nullptr},
          {"ignore", ignore},
          {"transform_config", Json::object()},
          {"sparsity_config", Json::object()},
          {"config_groups", {{"group_0", group}}}};
}

}  // namespace dray::quantize
