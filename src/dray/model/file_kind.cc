#include "dray/model/file_kind.h"

#include <optional>

#include "dray/base/bytes.h"

namespace dray {

namespace {

/// A file name, lower case, matches when it begins, goes on and ends so; "" matches all.
struct NameRow {
  FileKind kind;
  std::string_view begin, inner, end;
};

// The first match decides.
constexpr NameRow kNames[] = {
    {FileKind::git, ".gitattributes", "", ""},
    {FileKind::git, ".gitignore", "", ""},
    // What the trainers of transformers, accelerate and DeepSpeed leave behind.
    {FileKind::training, "events.out.tfevents.", "", ""},
    {FileKind::training, "optimizer.", "", ".pt"},
    {FileKind::training, "optimizer", "", ".bin"},
    {FileKind::training, "optimizer.", "", ".pth"},
    {FileKind::training, "optimizer.", "", ".safetensors"},
    {FileKind::training, "scheduler.", "", ".pt"},
    {FileKind::training, "scheduler.", "", ".bin"},
    {FileKind::training, "scheduler.", "", ".pth"},
    {FileKind::training, "rng_state", "", ".pth"},
    {FileKind::training, "random_states_", "", ".pkl"},
    {FileKind::training, "scaler.", "", ".pt"},
    {FileKind::training, "trainer_state.json", "", ""},
    {FileKind::training, "training_args.bin", "", ""},
    {FileKind::training, "zero_to_fp32.py", "", ""},
    {FileKind::training, "zero_pp_rank_", "", ".pt"},
    // Weights, and the indexes of those whose format is decided by file.
    {FileKind::index, "", ".safetensors.index", ".json"},
    {FileKind::index, "", ".bin.index", ".json"},
    {FileKind::flax, "", ".msgpack.index", ".json"},
    {FileKind::tensorflow, "", ".h5.index", ".json"},
    {FileKind::safetensors, "", "", ".safetensors"},
    {FileKind::gguf, "", "", ".gguf"},
    {FileKind::ggml, "ggml", "", ".bin"},
    {FileKind::openvino, "openvino_", "", ".xml"},
    {FileKind::openvino, "openvino_", "", ".bin"},
    {FileKind::onnx, "", "", ".onnx"},
    {FileKind::onnx, "", ".onnx_data", ""},
    {FileKind::onnx, "", "", ".onnx.data"},
    {FileKind::tflite, "", "", ".tflite"},
    {FileKind::tensorflow, "", "", ".h5"},
    {FileKind::tensorflow, "", "", ".keras"},
    {FileKind::tensorflow, "", "", ".ckpt.index"},
    {FileKind::tensorflow, "", "", ".ckpt.meta"},
    {FileKind::tensorflow, "", ".ckpt.data-", ""},
    {FileKind::flax, "", "", ".msgpack"},
    {FileKind::rust, "", "", ".ot"},
    {FileKind::nemo, "", "", ".nemo"},
    {FileKind::coreml, "", "", ".mlmodel"},
    {FileKind::pickle, "", "", ".bin"},
    {FileKind::pickle, "", "", ".pt"},
    {FileKind::pickle, "", "", ".pth"},
    {FileKind::pickle, "", "", ".ckpt"},
    {FileKind::pickle, "", "", ".pkl"},
    {FileKind::picture, "", "", ".png"},
    {FileKind::picture, "", "", ".jpg"},
    {FileKind::picture, "", "", ".jpeg"},
    {FileKind::picture, "", "", ".gif"},
    {FileKind::picture, "", "", ".webp"},
    {FileKind::picture, "", "", ".svg"},
    {FileKind::picture, "", "", ".mp4"},
    {FileKind::picture, "", "", ".webm"},
    {FileKind::picture, "", "", ".mov"},
};

// Folders whose whole content, configurations included, belongs to one kind; before the names.
constexpr NameRow kFolders[] = {
    {FileKind::training, "runs", "", "runs"},
    {FileKind::training, "wandb", "", "wandb"},
    {FileKind::training, "global_step", "", ""},
    {FileKind::coreml, "coreml", "", "coreml"},
    {FileKind::coreml, "", "", ".mlpackage"},
    {FileKind::coreml, "", "", ".mlmodelc"},
    {FileKind::openvino, "openvino", "", "openvino"},
    {FileKind::onnx, "onnx", "", "onnx"},
    {FileKind::tensorflow, "saved_model", "", "saved_model"},
    {FileKind::git, ".git", "", ".git"},
    {FileKind::git, ".cache", "", ".cache"},
};

bool fits(const NameRow& row, std::string_view name) {
  return name.starts_with(row.begin) && name.ends_with(row.end) &&
         (row.inner.empty() || name.find(row.inner) != std::string_view::npos);
}

struct FormatRow {
  FileKind kind;
  std::string_view name, title;
};

constexpr FormatRow kFormats[] = {
    {FileKind::safetensors, "safetensors", "safetensors"},
    {FileKind::pickle, "pytorch", "PyTorch"},
    {FileKind::gguf, "gguf", "GGUF"},
    {FileKind::onnx, "onnx", "ONNX"},
    {FileKind::openvino, "openvino", "OpenVINO"},
    {FileKind::nemo, "nemo", "NeMo"},
    {FileKind::tensorflow, "tensorflow", "TensorFlow"},
    {FileKind::flax, "flax", "Flax"},
    {FileKind::rust, "rust", "Rust"},
    {FileKind::coreml, "coreml", "Core ML"},
    {FileKind::tflite, "tflite", "TensorFlow Lite"},
    {FileKind::ggml, "ggml", "GGML"},
};

const FormatRow* format_row(FileKind kind) {
  for (const auto& row : kFormats)
    if (row.kind == kind) return &row;
  return nullptr;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

/// Cuts "-00001-of-00005" off the end of `stem`.
void take_shard(WeightName& name) {
  const auto of = name.stem.rfind("-of-");
  if (of == std::string::npos || of == 0) return;
  const auto dash = name.stem.find_last_of("-_", of - 1);
  if (dash == std::string::npos) return;
  const auto shard = parse_u64(std::string_view(name.stem).substr(dash + 1, of - dash - 1));
  const auto shards = parse_u64(std::string_view(name.stem).substr(of + 4));
  if (!shard || !shards || *shards == 0 || *shard > *shards || *shards > 100'000) return;
  name.shard = static_cast<unsigned>(*shard);
  name.shards = static_cast<unsigned>(*shards);
  name.stem.resize(dash);
}

}  // namespace

FileKind file_kind(std::string_view path) {
  const std::string whole = lower(path);
  std::string_view rest = whole;
  for (auto slash = rest.find('/'); slash != std::string_view::npos; slash = rest.find('/')) {
    for (const auto& row : kFolders)
      if (fits(row, rest.substr(0, slash))) return row.kind;
    rest.remove_prefix(slash + 1);
  }
  for (const auto& row : kNames)
    if (fits(row, rest)) return row.kind;
  return FileKind::other;
}

bool is_weights(FileKind kind) { return format_row(kind) != nullptr; }

std::string_view format_title(FileKind kind) {
  const auto* row = format_row(kind);
  return row != nullptr ? row->title : "";
}

std::string_view format_name(FileKind kind) {
  const auto* row = format_row(kind);
  return row != nullptr ? row->name : "";
}

std::string_view folder_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

WeightName parse_weight_name(std::string_view name) {
  WeightName parsed;
  constexpr std::string_view kIndex = ".index", kJson = ".json";
  std::string variant;
  if (const auto at = name.rfind(kIndex); at != std::string_view::npos && name.ends_with(kJson)) {
    auto between = name.substr(at + kIndex.size());
    between.remove_suffix(kJson.size());
    if (between.empty() || between.front() == '.') {
      parsed.index = true;
      variant = between;  // "" or ".fp16"
      name = name.substr(0, at);
    }
  }
  const auto dot = name.rfind('.');
  parsed.extension = dot == std::string_view::npos ? "" : name.substr(dot);
  parsed.stem = name.substr(0, dot);
  take_shard(parsed);
  if (parsed.shards == 0 && !parsed.index) {
    if (const auto inner = parsed.stem.rfind('.'); inner != std::string::npos) {
      WeightName before;
      before.stem = parsed.stem.substr(0, inner);
      take_shard(before);
      if (before.shards != 0) {
        variant = parsed.stem.substr(inner);
        parsed.stem = before.stem;
        parsed.shard = before.shard;
        parsed.shards = before.shards;
      }
    }
  }
  parsed.stem += variant;
  return parsed;
}

}  // namespace dray
