#include "dray/model/hf_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <limits>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/model/plain_text.h"

namespace dray {

namespace {

constexpr JsonLimits kLimits{.bytes = 16 << 20, .depth = 64};
constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

// Longer ones first.
constexpr std::string_view kPythonNumbers[] = {"-Infinity", "Infinity", "NaN"};

/// Python's json module writes NaN and Infinity, which JSON does not know (Mamba-like
/// configurations hold `"time_step_limit": [0.0, Infinity]`). Outside strings they become texts
/// that begin so.
constexpr std::string_view kPythonMark = "\\u0001";

std::string without_python_numbers(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (in_string) {
      const bool escape = text[i] == '\\' && i + 1 < text.size();
      in_string = text[i] != '"';
      out += text[i];
      if (escape) out += text[++i];
      continue;
    }
    const auto rest = text.substr(i);
    const auto word = std::ranges::find_if(
        kPythonNumbers, [&](std::string_view number) { return rest.starts_with(number); });
    if (word != std::end(kPythonNumbers)) {
      out += fmt::format("\"{}{}\"", kPythonMark, *word);
      i += word->size() - 1;
      continue;
    }
    in_string = text[i] == '"';
    out += text[i];
  }
  return out;
}

/// "" for what is no text, or one that nobody would want to see in a table.
std::string text_in(const Json& value) {
  if (!value.is_string()) return "";
  auto text = value.get<std::string>();
  return is_plain_text(text) ? text : "";
}

std::string text_of(const Json& object, std::string_view key) {
  const auto at = object.find(key);
  return at != object.end() ? text_in(*at) : "";
}

/// The first of `keys` that holds a non-negative integer.
std::optional<std::uint64_t> number_of(const Json& object,
                                       std::initializer_list<std::string_view> keys) {
  for (const auto key : keys) {
    const auto at = object.find(key);
    if (at != object.end() && at->is_number_unsigned()) return at->get<std::uint64_t>();
  }
  return std::nullopt;
}

/// Fills what is not known yet, so that the outer object wins over the nested one.
void fill(HfConfig& config, const Json& object) {
  const auto number = [&](std::optional<std::uint64_t>& field,
                          std::initializer_list<std::string_view> keys) {
    if (!field) field = number_of(object, keys);
  };
  number(config.max_position_embeddings,
         {"max_position_embeddings", "n_positions", "max_sequence_length", "seq_length"});
  number(config.num_hidden_layers, {"num_hidden_layers", "n_layer", "num_layers", "n_layers"});
  number(config.hidden_size, {"hidden_size", "n_embd", "d_model"});
  number(config.num_attention_heads, {"num_attention_heads", "n_head", "num_heads", "n_heads"});
  number(config.num_key_value_heads, {"num_key_value_heads", "num_kv_heads"});
  number(config.head_dim, {"head_dim", "d_kv"});
  number(config.vocab_size, {"vocab_size"});
  number(config.kv_lora_rank, {"kv_lora_rank"});
  number(config.qk_rope_head_dim, {"qk_rope_head_dim"});
  if (config.dtype.empty()) config.dtype = text_of(object, "dtype");
  if (config.dtype.empty()) config.dtype = text_of(object, "torch_dtype");
}

std::uint64_t times(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? kMax : product;
}

std::uint64_t plus(std::uint64_t a, std::uint64_t b) { return a > kMax - b ? kMax : a + b; }

/// Cached elements of one token in one layer; 0 if unknown.
std::uint64_t kv_elements(const HfConfig& config) {
  if (config.kv_lora_rank) return plus(*config.kv_lora_rank, config.qk_rope_head_dim.value_or(0));
  const auto heads = config.num_attention_heads.value_or(0);
  std::uint64_t head_dim = config.head_dim.value_or(0);
  if (head_dim == 0 && heads != 0) head_dim = config.hidden_size.value_or(0) / heads;
  return times(2, times(config.num_key_value_heads.value_or(heads), head_dim));
}

}  // namespace

namespace {

Json parse_object(std::string_view text, std::string_view what) {
  if (text.size() > kLimits.bytes)
    throw Error(Code::malformed, fmt::format("{}: larger than {} bytes", what, kLimits.bytes));
  Json json = parse_json(without_python_numbers(text), what, kLimits);
  if (!json.is_object())
    throw Error(Code::malformed, fmt::format("{}: is not a JSON object", what));
  return json;
}

/// compressed-tensors has called its part by both names.
std::string quantization_of(const Json& config) {
  for (const char* key : {"quantization_config", "compression_config"}) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_object()) continue;
    const std::string method = text_of(*found, "quant_method");
    return method.empty() ? "unknown" : method;
  }
  return "";
}

}  // namespace

std::string set_in_hf_config(std::string_view text, const std::string& key, const Json& value,
                             std::string_view what) {
  Json json = parse_object(text, what);
  json[key] = value;
  std::string out = dump_json_pretty(json);
  for (const auto number : kPythonNumbers) {
    const std::string mark = fmt::format("\"{}{}\"", kPythonMark, number);
    for (auto at = out.find(mark); at != std::string::npos; at = out.find(mark, at))
      out.replace(at, mark.size(), number);
  }
  return out;
}

HfConfig parse_hf_config(std::string_view text, std::string_view what) {
  const Json json = parse_object(text, what);
  HfConfig config;
  const auto architectures = json.find("architectures");
  if (architectures != json.end() && architectures->is_array() && !architectures->empty())
    config.architecture = text_in(architectures->front());
  config.model_type = text_of(json, "model_type");
  config.quantization = quantization_of(json);
  fill(config, json);
  for (const auto* key : {"text_config", "llm_config", "language_config"}) {
    const auto nested = json.find(key);
    if (nested == json.end() || !nested->is_object()) continue;
    fill(config, *nested);
    if (config.quantization.empty()) config.quantization = quantization_of(*nested);
  }
  return config;
}

std::uint64_t estimate_gpu_bytes(const HfConfig& config, std::uint64_t weight_bytes,
                                 std::uint64_t context) {
  if (context == 0)
    context = std::min<std::uint64_t>(config.max_position_embeddings.value_or(8192), 8192);
  const auto per_token = times(times(2, kv_elements(config)), config.num_hidden_layers.value_or(0));
  const auto sum = plus(weight_bytes, times(per_token, context));
  return plus(sum, sum / 10);
}

}  // namespace dray
