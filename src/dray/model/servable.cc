#include "dray/model/servable.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>

#include "dray/base/error.h"
#include "dray/base/glob.h"
#include "dray/base/json.h"
#include "dray/model/file_kind.h"
#include "dray/model/hf_config.h"
#include "dray/model/native_weights.h"

namespace dray {

namespace {

using Paths = std::set<std::string, std::less<>>;

// Any of these at the top tells a server what it loads.
constexpr std::string_view kConfigs[] = {"config.json",           "params.json",
                                         "model_index.json",      "adapter_config.json",
                                         "open_clip_config.json", "config.yaml"};

// Any of these is a vocabulary (tokenizer_config.json alone is none).
constexpr std::string_view kVocabularies[] = {
    "*tokenizer.json", "*.model",      "*.model.v*", "*vocab.json", "*vocab.txt",
    "*.tiktoken",      "*tekken.json", "*.vocab",    "*merges.txt", "*tokenization_*.py"};

// Smaller vocabularies are those of bytes, phonemes or sound units.
constexpr std::uint64_t kSmallestTextVocabulary = 1000;

/// Text goes in or out: such a model needs a tokenizer.
bool is_text_model(const HfConfig& config) {
  if (config.architecture.empty() || config.vocab_size.value_or(0) < kSmallestTextVocabulary)
    return false;
  // BEiT's "vocabulary" is one of image patches.
  return config.model_type != "beit" && config.model_type != "data2vec-vision";
}

/// Checks what an index names, and adds it to `indexed`.
void check_index(const FileEntry& index, const Paths& chosen, const Snapshot& snapshot,
                 const ReadSmall& read, Paths& indexed, std::vector<std::string>& problems) {
  const auto names = indexed_files(index.path, read);
  indexed.insert(names.begin(), names.end());
  const auto absent = std::find_if(names.begin(), names.end(),
                                   [&](const auto& name) { return !chosen.contains(name); });
  if (absent == names.end()) return;
  problems.push_back(fmt::format(
      "{}, which {} names, {}", *absent, index.path,
      snapshot.find(*absent) != nullptr ? "is not selected" : "is not in the repository"));
}

/// The shards chosen that no index decides about must be complete.
void check_splits(const std::vector<FileEntry>& chosen, const Paths& indexed,
                  std::vector<std::string>& problems) {
  std::map<std::tuple<std::string, std::string, std::string, unsigned>, unsigned> splits;
  for (const auto& file : chosen) {
    if (!is_weights(file_kind(file.path)) || indexed.contains(file.path)) continue;
    const auto name = parse_weight_name(name_of(file.path));
    if (name.shards != 0)
      ++splits[{std::string(folder_of(file.path)), name.stem, name.extension, name.shards}];
  }
  for (const auto& [key, count] : splits)
    if (const auto& [folder, stem, extension, shards] = key; count < shards)
      problems.push_back(fmt::format("only {} of the {} shards of {}{}{}{} are there", count,
                                     shards, folder, folder.empty() ? "" : "/", stem, extension));
}

void check_shards(const std::vector<FileEntry>& chosen, const Paths& paths,
                  const Snapshot& snapshot, const ReadSmall& read,
                  std::vector<std::string>& problems) {
  Paths indexed;
  for (const auto& file : snapshot.files) {
    if (file_kind(file.path) != FileKind::index) continue;
    const auto name = parse_weight_name(name_of(file.path));
    const auto folder = folder_of(file.path);
    const auto beside = [&](const std::string& sibling) {
      return folder.empty() ? sibling : fmt::format("{}/{}", folder, sibling);
    };
    // Beside a single file an index decides nothing for a loader.
    if (!paths.contains(file.path) || paths.contains(beside(name.stem + name.extension))) continue;
    try {
      check_index(file, paths, snapshot, read, indexed, problems);
    } catch (const Error& error) {
      if (error.code() != Code::malformed) throw;
      problems.push_back(fmt::format("{}", error.what()));
    }
  }
  check_splits(chosen, indexed, problems);
}

void check_config(const Paths& paths, const std::string& weights,
                  std::vector<std::string>& problems) {
  if (weights != "safetensors" && weights != "pytorch" && weights != "adapter") return;
  for (const auto name : kConfigs)
    if (paths.contains(name)) return;
  // Without weights at the top each folder has its own (0_Transformer/config.json).
  const bool weights_at_top = std::any_of(paths.begin(), paths.end(), [](const auto& path) {
    return folder_of(path).empty() && is_weights(file_kind(path));
  });
  const bool config_below = std::any_of(
      paths.begin(), paths.end(), [](const auto& path) { return path.ends_with("/config.json"); });
  if (weights_at_top || !config_below) problems.emplace_back("no config.json");
}

void check_tokenizer(const Paths& paths, const ReadSmall& read,
                     std::vector<std::string>& problems) {
  if (!paths.contains("config.json")) return;
  try {
    const auto text = read("config.json");
    if (!text || !is_text_model(parse_hf_config(*text, "config.json"))) return;
  } catch (const Error& error) {
    if (error.code() != Code::malformed) throw;
    problems.push_back(fmt::format("{}", error.what()));
    return;
  }
  const bool found = std::any_of(paths.begin(), paths.end(), [](const auto& path) {
    return std::any_of(std::begin(kVocabularies), std::end(kVocabularies),
                       [&](const auto pattern) { return glob_match(pattern, path); });
  });
  if (!found) problems.emplace_back("no tokenizer");
}

bool is_hub_id(std::string_view text) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '/';
  };
  return !text.empty() && text.size() <= 96 && std::all_of(text.begin(), text.end(), good) &&
         std::count(text.begin(), text.end(), '/') <= 1 && text.front() != '.' &&
         text.front() != '/' && text.back() != '/';
}

}  // namespace

std::string weights_of(const std::vector<FileEntry>& chosen) {
  std::set<FileKind> kinds;
  bool model = false, adapter = false, model_pickle = false;
  for (const auto& file : chosen) {
    const auto kind = file_kind(file.path);
    const auto name = name_of(file.path);
    kinds.insert(kind);
    if (name.starts_with("adapter_model")) {
      adapter = true;
    } else {
      model = model || kind == FileKind::safetensors;
      model_pickle = model_pickle || (kind == FileKind::pickle && is_model_pickle(name));
    }
  }
  if (model) return std::string(format_name(FileKind::safetensors));
  if (model_pickle) return std::string(format_name(FileKind::pickle));
  if (adapter) return "adapter";
  for (const auto kind : kinds)  // in the order of preference; pickles of unknown use come last
    if (is_weights(kind) && kind != FileKind::pickle) return std::string(format_name(kind));
  return kinds.contains(FileKind::pickle) ? std::string(format_name(FileKind::pickle)) : "none";
}

std::vector<std::string> serving_problems(const std::vector<FileEntry>& chosen,
                                          const std::string& weights, const Snapshot& snapshot,
                                          const ReadSmall& read) {
  std::vector<std::string> problems;
  if (weights == "none") {
    problems.emplace_back("no weights");
    return problems;
  }
  Paths paths;
  for (const auto& file : chosen) paths.insert(file.path);
  check_shards(chosen, paths, snapshot, read, problems);
  check_config(paths, weights, problems);
  if (weights == "safetensors" || weights == "pytorch") check_tokenizer(paths, read, problems);
  return problems;
}

std::string adapter_base(const Snapshot& snapshot, const ReadSmall& read) {
  constexpr auto kConfig = "adapter_config.json";
  if (snapshot.find(kConfig) == nullptr) return "";
  const auto text = read(kConfig);
  if (!text) return "";
  try {
    const Json json = parse_json(*text, kConfig, {.bytes = 16 << 20, .depth = 64});
    const auto base =
        json.is_object() ? find_string(json, "base_model_name_or_path", kConfig) : std::nullopt;
    return base && is_hub_id(*base) ? *base : "";
  } catch (const Error& error) {
    if (error.code() != Code::malformed) throw;
    return "";  // a hint that cannot be read; the adapter itself is judged elsewhere
  }
}

}  // namespace dray
