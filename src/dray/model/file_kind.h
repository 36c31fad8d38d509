// What a file of a model repository is, told from its path alone.
#pragma once

#include <string>
#include <string_view>

namespace dray {

enum class FileKind {
  safetensors,
  pickle,  // PyTorch: .bin, .pt, .pth, .ckpt, .pkl
  gguf,
  onnx,
  openvino,
  nemo,
  tensorflow,
  flax,
  rust,
  coreml,
  tflite,
  ggml,
  index,     // names the shards of safetensors or PyTorch weights: model.safetensors.index.json …
  training,  // optimizer, schedulers, logs: nothing that serving needs
  git,       // the repository's own housekeeping
  picture,   // images and videos, for the documentation
  other,     // configurations, tokenizers, code, texts, whatever is not known
};

FileKind file_kind(std::string_view path);
/// Holds weights (of any format).
bool is_weights(FileKind kind);
/// "PyTorch", "ONNX" … for people; "" for kinds that are no weights.
std::string_view format_title(FileKind kind);
/// "pytorch", "onnx" … for programs (Choice::weights).
std::string_view format_name(FileKind kind);

/// "a/b" of "a/b/c.txt", "" at the top.
std::string_view folder_of(std::string_view path);
/// "c.txt" of "a/b/c.txt".
std::string_view name_of(std::string_view path);

/// The name of a weight file or of an index, taken apart.
struct WeightName {
  std::string stem;       // "model", "pytorch_model.fp16"
  std::string extension;  // ".safetensors", of an index that of its shards
  unsigned shard = 0;     // from 1, in some repositories (gpt-oss) from 0
  unsigned shards = 0;    // 0 for a file that is no shard
  bool index = false;
};

/// Understands `model-00001-of-00005.safetensors` (any number of digits, also `model_00001-of-…`),
/// the variant before or after the shard number (`model.fp16-00001-of-00002.safetensors`,
/// `model-00001-of-00002.fp16.safetensors`) and both forms of index names
/// (`model.safetensors.index.fp16.json`, `model.fp16.safetensors.index.json`).
WeightName parse_weight_name(std::string_view name);

}  // namespace dray
