#include "dray/model/selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/base/glob.h"
#include "dray/model/file_kind.h"
#include "dray/model/native_weights.h"
#include "dray/model/quantizations.h"
#include "dray/model/servable.h"

namespace dray {

namespace {

using Files = std::vector<const FileEntry*>;
using KindOf = std::map<const FileEntry*, FileKind>;

constexpr std::uint64_t kLargestPicture = 10 * kMiB;

struct CopyFolder {
  std::string_view name;  // of one path segment, in the Hub's syntax
  std::string_view why;
};

// Folders that hold the whole model once more, when the folder they lie in holds weights itself.
constexpr CopyFolder kCopyFolders[] = {
    {"original", "original checkpoint format of the same weights"},
    {"metal", "Apple Metal copy of the same weights"},
    {"gguf", "GGUF copy of the same weights"},
    {"checkpoint-*", "intermediate training checkpoints"},
    {"fp32", "copy of the same weights in another precision"},
    {"fp16", "copy of the same weights in another precision"},
    {"bf16", "copy of the same weights in another precision"},
    {"fp8", "copy of the same weights in another precision"},
    {"int8", "copy of the same weights in another precision"},
    {"int4", "copy of the same weights in another precision"},
};

bool is_native(FileKind kind) { return kind == FileKind::safetensors || kind == FileKind::pickle; }

class DefaultChoice {
 public:
  DefaultChoice(const Snapshot& snapshot, const ReadSmall& read)
      : snapshot_(snapshot), read_(read) {
    for (const auto& file : snapshot.files) kinds_[&file] = file_kind(file.path);
  }

  Choice run() {
    leave_useless();
    leave_copy_folders();
    const FileKind format = leave_other_formats();
    if (is_native(format)) choose_in_folders();
    if (format == FileKind::gguf) apply(choose_gguf(remaining(FileKind::gguf)));
    if (format == FileKind::onnx) apply(choose_onnx(remaining(FileKind::onnx)));
    leave_pipeline_copies();

    Choice choice;
    for (const auto& file : snapshot_.files)
      if (!left_.contains(&file)) choice.files.push_back(file);
    for (auto& [why, left] : reasons_) choice.left_out.push_back(std::move(left));
    return choice;
  }

 private:
  void leave(const FileEntry* file, std::string_view why) {
    if (!left_.insert(file).second) return;
    auto& reason = reasons_[std::string(why)];
    reason.why = why;
    reason.paths.push_back(file->path);
    reason.bytes += file->size;
  }

  void apply(const NativeWeights& chosen) {
    for (const auto& [file, why] : chosen.left) leave(file, why);
  }

  Files remaining(FileKind kind) const {
    Files files;
    for (const auto& file : snapshot_.files)
      if (kinds_.at(&file) == kind && !left_.contains(&file)) files.push_back(&file);
    return files;
  }

  void leave_useless() {
    for (const auto& file : snapshot_.files) {
      const auto kind = kinds_.at(&file);
      if (kind == FileKind::git) leave(&file, "Git's own files");
      if (kind == FileKind::training) leave(&file, "training state");
      if (kind == FileKind::picture && file.size > kLargestPicture)
        leave(&file, "large pictures and videos");
    }
  }

  void leave_copy_folders() {
    std::set<std::string_view> with_weights;
    for (const auto& file : snapshot_.files)
      if (is_native(kinds_.at(&file)) && !left_.contains(&file))
        with_weights.insert(folder_of(file.path));
    for (const auto& file : snapshot_.files) {
      const std::string_view path = file.path;
      for (std::size_t begin = 0, end = path.find('/'); end != std::string_view::npos;
           begin = end + 1, end = path.find('/', begin)) {
        const auto parent = begin == 0 ? std::string_view() : path.substr(0, begin - 1);
        if (!with_weights.contains(parent)) continue;
        for (const auto& folder : kCopyFolders)
          if (glob_match(folder.name, path.substr(begin, end - begin))) leave(&file, folder.why);
      }
    }
  }

  /// The format of the weights; files of all others are left.
  FileKind leave_other_formats() {
    const auto format = best_format();
    for (const auto& file : snapshot_.files) {
      const auto kind = kinds_.at(&file);
      if (is_weights(kind) && kind != format && !is_native(kind))
        leave(&file, fmt::format("{} copy of the same weights", format_title(kind)));
    }
    return format;
  }

  /// safetensors and PyTorch count as one here: which of them is decided folder by folder. A stray
  /// pickle (voices, an embedding) does not make a repository of GGUF or ONNX files one of PyTorch.
  FileKind best_format() const {
    std::set<FileKind> found;  // in the order of preference
    bool model_pickle = false;
    for (const auto& [file, kind] : kinds_) {
      if (left_.contains(file) || !is_weights(kind)) continue;
      found.insert(kind);
      model_pickle =
          model_pickle || (kind == FileKind::pickle && is_model_pickle(name_of(file->path)));
    }
    const bool only_pickle = found.size() == 1 && found.contains(FileKind::pickle);
    if (found.contains(FileKind::safetensors) || model_pickle || only_pickle)
      return FileKind::safetensors;
    found.erase(FileKind::pickle);
    return found.empty() ? FileKind::other : *found.begin();
  }

  void choose_in_folders() {
    std::map<std::string_view, Files> folders;
    for (const auto& file : snapshot_.files) {
      const auto kind = kinds_.at(&file);
      if ((is_native(kind) || kind == FileKind::index) && !left_.contains(&file))
        folders[folder_of(file.path)].push_back(&file);
    }
    for (const auto& [folder, files] : folders) apply(choose_native(files, snapshot_, read_));
  }

  /// Diffusers repositories often carry the whole pipeline as one file at the top besides its parts
  /// in folders.
  void leave_pipeline_copies() {
    if (snapshot_.find("model_index.json") == nullptr) return;
    Files at_top;
    bool in_folders = false;
    for (const auto& file : snapshot_.files) {
      if (!is_native(kinds_.at(&file)) || left_.contains(&file)) continue;
      if (!folder_of(file.path).empty())
        in_folders = true;
      else if (file.path.find("lora") == std::string::npos)
        at_top.push_back(&file);
    }
    if (!in_folders) return;
    for (const auto* file : at_top) leave(file, "single-file copy of the pipeline");
  }

  const Snapshot& snapshot_;
  const ReadSmall& read_;
  KindOf kinds_;
  std::set<const FileEntry*> left_;
  std::map<std::string, LeftOut> reasons_;
};

}  // namespace

Choice choose_files(const Snapshot& snapshot, const Selection& selection, const ReadSmall& read) {
  if (snapshot.files.empty())
    throw Error(Code::usage, fmt::format("{} holds no files", snapshot.origin.uri))
        .from(Side::source)
        .hint("is it the right repository and revision?");
  Choice choice;
  if (selection.all_files || !selection.include.empty())
    choice.files = snapshot.files;
  else
    choice = DefaultChoice(snapshot, read).run();
  std::erase_if(choice.files, [&](const FileEntry& file) {
    return !glob_selects(selection.include, selection.exclude, file.path);
  });
  if (choice.files.empty())
    throw Error(Code::usage, fmt::format("none of the {} files of {} is selected",
                                         snapshot.files.size(), snapshot.origin.uri))
        .hint("look at the files with --dry-run --all-files, and at --include and --exclude");
  choice.weights = weights_of(choice.files);
  choice.problems = serving_problems(choice.files, choice.weights, snapshot, read);
  if (choice.weights == "adapter") choice.base_model = adapter_base(snapshot, read);
  return choice;
}

int publish_rank(std::string_view path) {
  const auto kind = file_kind(path);
  if (is_weights(kind)) return 0;
  const auto name = name_of(path);
  const bool entrance = kind == FileKind::index || name == "config.json" ||
                        name == "model_index.json" || name == "adapter_config.json" ||
                        name == "params.json" || name == "modules.json";
  return entrance ? 2 : 1;
}

}  // namespace dray
