// What config.json and README.md tell about a Hugging Face model, as far as estimates and
// registries need it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dray/base/json.h"
#include "dray/model/snapshot.h"

namespace dray {

struct HfConfig {
  std::string architecture;  // "LlamaForCausalLM", "" if absent
  std::string model_type;
  std::string dtype;         // torch_dtype / dtype
  std::string quantization;  // quantization_config.quant_method, "" if none
  std::optional<std::uint64_t> max_position_embeddings, num_hidden_layers, hidden_size,
      num_attention_heads, num_key_value_heads, head_dim, vocab_size;
  // Multi-head latent attention (DeepSeek) caches one short vector a token and layer instead of
  // keys and values.
  std::optional<std::uint64_t> kv_lora_rank, qk_rope_head_dim;
};

/// Reads config.json; nested text_config (llm_config, language_config) is looked into for
/// multimodal models, and the older names of GPT-2 and T5 are understood. Python's NaN and Infinity
/// are tolerated. Fields of another type than expected count as absent; Code::malformed only for
/// text that is no JSON object.
HfConfig parse_hf_config(std::string_view text, std::string_view what);

/// config.json with one field more or another one (two spaces of indentation, keys sorted, as
/// transformers and llm-compressor write it); Python's NaN and Infinity stay. Throws as
/// parse_hf_config().
std::string set_in_hf_config(std::string_view text, const std::string& key, const Json& value,
                             std::string_view what);

/// GPU bytes to load `weight_bytes` and serve one sequence of `context` tokens (0 = the model's
/// maximum, at most 8192): weights + KV cache (2 bytes an element) + 10 %. Saturates; without the
/// fields it needs, the KV cache counts as nothing.
std::uint64_t estimate_gpu_bytes(const HfConfig& config, std::uint64_t weight_bytes,
                                 std::uint64_t context = 0);

/// Reads the YAML head of a README.md into licence, library, tags … (absent or broken head: what
/// could be read). Limits: 64 KiB head, depth 16, 1000 items a list, aliases refused: reading ends
/// where one is passed. Never throws Error.
ModelInfo parse_readme_head(std::string_view readme);

}  // namespace dray
