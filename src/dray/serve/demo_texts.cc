#include "dray/serve/demo_texts.h"

#include "dray/base/json.h"

namespace dray {

namespace {

constexpr int kBytes = 256;  // tokens 0 to 255 are bytes
constexpr auto kBegin = "<|begin_of_text|>";
constexpr auto kEnd = "<|end_of_text|>";
constexpr int kBeginId = kBytes, kEndId = kBytes + 1;

/// The character that byte-level tokenizers write for a byte: itself where it is printable, else
/// one from U+0100 on.
std::string byte_letter(int byte, int& next_substitute) {
  const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
  const int code = printable ? byte : next_substitute++;
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
}

Json special_token(int id, const char* text) {
  return {{"id", id},        {"content", text},     {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

/// A real tokenizer, if a plain one: one token a byte.
Json tokenizer() {
  Json vocabulary = Json::object();
  int substitute = kBytes;
  for (int byte = 0; byte < kBytes; ++byte) vocabulary[byte_letter(byte, substitute)] = byte;
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  return {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", Json::array({special_token(kBeginId, kBegin), special_token(kEndId, kEnd)})},
      {"normalizer", nullptr},
      {"pre_tokenizer", byte_level},
      {"post_processor", nullptr},
      {"decoder", byte_level},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"vocab", vocabulary},
        {"merges", Json::array()}}}};
}

Json config(const DemoShape& shape) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"attention_bias", false},
          {"bos_token_id", kBeginId},
          {"eos_token_id", kEndId},
          {"head_dim", shape.head_dim},
          {"hidden_act", "silu"},
          {"hidden_size", shape.hidden},
          {"initializer_range", 0.02},
          {"intermediate_size", shape.intermediate},
          {"max_position_embeddings", 2048},
          {"mlp_bias", false},
          {"model_type", "llama"},
          {"num_attention_heads", shape.heads},
          {"num_hidden_layers", shape.layers},
          {"num_key_value_heads", shape.kv_heads},
          {"rms_norm_eps", 1e-05},
          {"rope_theta", 10000.0},
          {"tie_word_embeddings", false},
          {"torch_dtype", "bfloat16"},
          {"use_cache", true},
          {"vocab_size", shape.vocabulary}};
}

constexpr auto kReadme = R"(---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
language:
- en
tags:
- llama
- demo
---
# tiny-llama

A model of the Llama architecture with random weights, made to show how a model is imported, verified and
registered. It loads like a real one and knows nothing.
)";

}  // namespace

std::map<std::string, std::string> demo_texts(const DemoShape& shape) {
  const Json special = {{"bos_token", kBegin}, {"eos_token", kEnd}};
  Json tokenizer_config = special;
  tokenizer_config["tokenizer_class"] = "PreTrainedTokenizerFast";
  tokenizer_config["model_max_length"] = 2048;
  tokenizer_config["clean_up_tokenization_spaces"] = false;
  return {{".gitattributes", "*.safetensors filter=lfs diff=lfs merge=lfs -text\n"},
          {"README.md", kReadme},
          {"config.json", dump_json_pretty(config(shape))},
          {"generation_config.json", dump_json_pretty({{"bos_token_id", kBeginId},
                                                       {"eos_token_id", kEndId},
                                                       {"do_sample", true},
                                                       {"temperature", 0.7}})},
          {"special_tokens_map.json", dump_json_pretty(special)},
          {"tokenizer.json", dump_json_pretty(tokenizer())},
          {"tokenizer_config.json", dump_json_pretty(tokenizer_config)}};
}

}  // namespace dray
