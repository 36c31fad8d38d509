#include "dray/model/native_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/base/path.h"
#include "dray/model/file_kind.h"
#include "dray/model/plain_text.h"

namespace dray {

namespace {

constexpr std::string_view kSafetensors = ".safetensors";
constexpr std::string_view kVariant = "other variants of the same weights";
constexpr std::string_view kConsolidated = "consolidated copy of the same weights";
constexpr std::string_view kPickle = "PyTorch copy of the same weights";
constexpr std::string_view kOverlap = "another split of the same weights";
constexpr std::string_view kUnnamed = "safetensors that the index does not name";
constexpr std::string_view kStale = "index of shards that are not there";

/// Files that belong together by name: one model in one format.
struct WeightSet {
  std::string stem, extension;
  const FileEntry* index = nullptr;
  const FileEntry* single = nullptr;
  std::map<unsigned, std::vector<const FileEntry*>> splits;  // by the number of shards stated
};

using Sets = std::map<std::pair<std::string, std::string>, WeightSet>;  // by stem and extension

Sets group(const std::vector<const FileEntry*>& files) {
  Sets sets;
  for (const auto* file : files) {
    const auto name = parse_weight_name(name_of(file->path));
    auto& set = sets[{name.stem, name.extension}];
    set.stem = name.stem;
    set.extension = name.extension;
    if (name.index) {
      set.index = file;
    } else if (name.shards == 0) {
      set.single = file;
    } else {
      set.splits[name.shards].push_back(file);
    }
  }
  return sets;
}

/// What a model is called in both formats: PyTorch's `pytorch_model` is `model` in safetensors.
std::string common_stem(const std::string& stem) {
  constexpr std::string_view kPrefix = "pytorch_";
  return stem.starts_with("pytorch_model") ? stem.substr(kPrefix.size()) : stem;
}

bool is_canonical(const WeightSet& set) {
  return set.extension == kSafetensors &&
         (set.stem == "model" || set.stem == "diffusion_pytorch_model");
}

bool is_adapter(const WeightSet& set) { return set.stem.starts_with("adapter_model"); }

class Chooser {
 public:
  Chooser(const std::vector<const FileEntry*>& files, const Snapshot& snapshot,
          const ReadSmall& read)
      : snapshot_(snapshot), read_(read), sets_(group(files)) {
    for (const auto& [key, set] : sets_) {
      stems_.insert(common_stem(set.stem));
      if (set.extension == kSafetensors) safetensors_.insert(common_stem(set.stem));
    }
  }

  NativeWeights run() {
    for (const auto& [key, set] : sets_)
      if (set.index != nullptr && why_copy(set).empty()) follow_index(set);
    for (const auto& [key, set] : sets_) settle(set);
    return std::move(result_);
  }

 private:
  /// Why the set is a copy of another one of the folder; "" if it is not.
  std::string_view why_copy(const WeightSet& set) const {
    const auto stem = common_stem(set.stem);
    if (set.extension != kSafetensors && safetensors_.contains(stem)) return kPickle;
    if (stem.starts_with("consolidated") && stems_.contains("model")) return kConsolidated;
    if (const auto dot = stem.rfind('.');
        dot != std::string::npos && dot > 0 && stems_.contains(stem.substr(0, dot)))
      return kVariant;
    return "";
  }

  void follow_index(const WeightSet& set) {
    const auto names = indexed_files(set.index->path, read_);
    std::vector<const FileEntry*> found;
    std::string missing;
    for (const auto& name : names) {
      const auto* file = snapshot_.find(name);
      if (file != nullptr) found.push_back(file);
      if (file == nullptr && missing.empty()) missing = name;
    }
    if (found.empty() && set.single != nullptr) {
      leave(set.index, kStale);
      return;
    }
    if (!missing.empty())
      throw Error(Code::malformed, fmt::format("{} names {}, which the repository does not hold",
                                               set.index->path, missing))
          .hint("the repository is incomplete; choose files with --include, or tell its publisher");
    take(set.index);
    for (const auto* file : found)
      if (folder_of(file->path) == folder_of(set.index->path)) take(file);
    indexed_.insert(&set);
    index_decides_ = index_decides_ || is_canonical(set);
  }

  void settle(const WeightSet& set) {
    if (const auto why = why_copy(set); !why.empty()) return leave_rest(set, why);
    if (indexed_.contains(&set)) return leave_rest(set, kOverlap);
    if (index_decides_ && set.extension == kSafetensors && !is_adapter(set))
      return leave_rest(set, kUnnamed);
    if (set.single != nullptr) {
      take(set.single);
      return leave_rest(set, kOverlap);
    }
    const std::vector<const FileEntry*>* best = nullptr;
    for (const auto& [shards, files] : set.splits)
      if (best == nullptr && files.size() >= shards) best = &files;
    if (best == nullptr && !set.splits.empty()) best = &set.splits.begin()->second;
    if (best != nullptr)
      for (const auto* file : *best) take(file);
    leave_rest(set, kOverlap);
  }

  void leave_rest(const WeightSet& set, std::string_view why) {
    if (set.index != nullptr) leave(set.index, why);
    if (set.single != nullptr) leave(set.single, why);
    for (const auto& [shards, files] : set.splits)
      for (const auto* file : files) leave(file, why);
  }

  void take(const FileEntry* file) {
    if (done_.insert(file).second) result_.taken.push_back(file);
  }
  void leave(const FileEntry* file, std::string_view why) {
    if (done_.insert(file).second) result_.left.emplace_back(file, why);
  }

  const Snapshot& snapshot_;
  const ReadSmall& read_;
  const Sets sets_;
  std::set<std::string> stems_, safetensors_;  // all of the folder's, and those in safetensors
  std::set<const WeightSet*> indexed_;
  std::set<const FileEntry*> done_;  // settled; the first decision stays
  bool index_decides_ = false;
  NativeWeights result_;
};

}  // namespace

std::vector<std::string> indexed_files(const std::string& path, const ReadSmall& read) {
  const auto text = read(path);
  if (!text) throw Error(Code::malformed, fmt::format("{} cannot be read", path));
  const Json json = parse_json(*text, path, {.bytes = 64 << 20, .depth = 16});
  if (!json.is_object()) throw Error(Code::malformed, fmt::format("{} is no JSON object", path));
  std::set<std::string> names;
  for (const auto& [tensor, file] : get_object(json, "weight_map", path).items()) {
    if (!file.is_string())
      throw Error(Code::malformed,
                  fmt::format("{}: no file name for tensor '{}'", path, shown_text(tensor)));
    names.insert(file.get<std::string>());
  }
  if (names.empty()) throw Error(Code::malformed, fmt::format("{} names no file", path));
  const auto folder = folder_of(path);
  std::vector<std::string> files;
  for (const auto& name : names) {
    check_relative_path(name, path);
    files.push_back(folder.empty() ? name : fmt::format("{}/{}", folder, name));
  }
  return files;
}

NativeWeights choose_native(const std::vector<const FileEntry*>& files, const Snapshot& snapshot,
                            const ReadSmall& read) {
  return Chooser(files, snapshot, read).run();
}

bool is_model_pickle(std::string_view name) {
  for (const std::string_view prefix :
       {"pytorch_model", "diffusion_pytorch_model", "adapter_model", "consolidated"})
    if (name.starts_with(prefix)) return true;
  const auto parsed = parse_weight_name(name);
  return parsed.stem == "model" || parsed.extension == ".ckpt";
}

}  // namespace dray
