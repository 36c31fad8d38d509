// Which of a folder's safetensors and PyTorch files are its weights, and which are copies of them.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dray/model/selection.h"
#include "dray/model/snapshot.h"

namespace dray {

/// A file that is not taken and the reason.
using LeftFile = std::pair<const FileEntry*, std::string>;

struct NativeWeights {
  std::vector<const FileEntry*> taken;
  std::vector<LeftFile> left;
};

/// `files`: the files of kinds safetensors, pickle and index that lie in one folder. The index
/// decides where there is one; then the single file; then a complete split. Throws Code::malformed
/// as choose_files does.
NativeWeights choose_native(const std::vector<const FileEntry*>& files, const Snapshot& snapshot,
                            const ReadSmall& read);

/// The files that the index at `path` names, as paths of the repository; sorted, unique. Throws
/// Code::malformed when it is absent or no index.
std::vector<std::string> indexed_files(const std::string& path, const ReadSmall& read);

/// A PyTorch file with one of the names that libraries give to a model's weights; others may be
/// anything (voices, projectors, embeddings).
bool is_model_pickle(std::string_view name);

}  // namespace dray
