// Which weights of a model are quantized.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dray/model/safetensors.h"
#include "dray/quantize/scheme.h"

namespace dray::quantize {

struct ChoiceOptions {
  /// Globs over module names ("model.layers.0.mlp.down_proj", "*.self_attn.*"): these stay too.
  std::vector<std::string> ignore;
  /// Of the configuration; decoder layers from here on predict further tokens (DeepSeek) and stay.
  std::optional<std::uint64_t> layers;
};

struct KeptWeight {
  std::string module;
  std::string why;  // "embeddings", "router" …
};

struct WeightChoice {
  std::vector<std::string> quantized;  // tensor names ("….weight"), sorted
  std::vector<KeptWeight> kept;        // the other matrices, sorted by module
  /// Of `kept`, the modules that a server takes for linear layers, and "lm_head", which it asks for
  /// even where the checkpoint has none (tied embeddings).
  std::vector<std::string> ignore;
};

/// What kind of module that stays as it is this name means; nullopt for a linear layer that is
/// quantized. Names of Llama, Qwen, Mistral, Mixtral, Granite, Gemma, Phi, DeepSeek and their
/// multimodal relatives.
std::optional<std::string> kept_kind(std::string_view module);

/// Decides for all tensors of a model. Code::unsupported, naming the tensor and what would work,
/// for a weight that should be quantized but cannot be, for experts in one tensor of three
/// dimensions, and for a choice that servers cannot load: projections that they fuse (q, k and v;
/// gate and up), and experts of a layer, must be treated alike. Code::usage if nothing is left to
/// quantize.
WeightChoice choose_weights(const Scheme& scheme, const std::vector<TensorInfo>& tensors,
                            const ChoiceOptions& options = {});

/// Modules that servers fuse with this one, itself among them, by their names within the same
/// parent; empty where it is not fused.
std::vector<std::string> fused_with(std::string_view module);

}  // namespace dray::quantize
