// Quantization schemes: the presets of compressed-tensors that need no calibration data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/json.h"
#include "dray/model/safetensors.h"
#include "dray/quantize/floats.h"

namespace dray::quantize {

/// Which elements of a weight share a scale.
enum class Sharing {
  channel,       // a row
  group,         // `group` columns of a row
  block,         // 128 rows × 128 columns
  tensor_group,  // a group, below one factor for the whole weight
};

/// Raised when the same scheme gives other bytes than before: what was made by another rule is
/// another transform.
inline constexpr int kRule = 1;
inline constexpr std::uint64_t kBlock = 128;  // rows and columns of a block

enum class ScaleFormat {
  weights,  // that of the weights
  e8m0,     // a power of two, in a byte (MX)
  e4m3,     // FP8 (NVFP4)
};

/// Into what a server quantizes activations, while it runs.
enum class Activations {
  none,
  int8_token,  // a scale for each token
  fp8_token,
  fp8_group,  // a scale for each 128 columns of a token
};

/// How one kind of weight is stored. Made by `find_scheme`; the names live as long as the program.
struct Scheme {
  std::string_view name;    // the preset: "W4A16"
  std::string_view format;  // of compressed-tensors: "pack-quantized"
  Element element = Element::integer;
  int bits = 4;
  bool symmetric = true;
  Sharing sharing = Sharing::group;
  std::uint64_t group = 0;  // columns, where `sharing` has groups
  ScaleFormat scale = ScaleFormat::weights;
  Activations activations = Activations::none;
};

/// For integers in groups only.
struct SchemeOptions {
  std::optional<std::uint64_t> group;  // columns
  std::optional<bool> symmetric;
};

/// By the preset's name, in any case. Code::usage, naming the presets, for an unknown one; for one
/// that needs calibration data (static activations), saying which is next to it; and for options
/// that it does not have.
Scheme find_scheme(std::string_view name, const SchemeOptions& options = {});
/// Whether SchemeOptions are for it.
bool has_options(const Scheme& scheme);
/// In order of importance.
std::vector<std::string> scheme_names();

/// A tensor that takes the place of a weight. `data` is not set.
std::vector<TensorInfo> outputs_of(const Scheme& scheme, const TensorInfo& weight);

/// Why this weight cannot be quantized so (columns that no group divides, another dtype), and what
/// would work; nullopt if it can.
std::optional<std::string> why_not(const Scheme& scheme, const TensorInfo& weight);

/// The `quantization_config` of config.json, with every field that compressed-tensors 0.19 writes
/// (model_compressors/model_compressor.py, quantization/quant_args.py). `ignore`: names of the
/// modules that stay as they are.
Json quantization_config(const Scheme& scheme, const std::vector<std::string>& ignore);

}  // namespace dray::quantize
