// Which files of a snapshot are taken, and whether they can be served. Pure functions over
// listings.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dray/model/snapshot.h"

namespace dray {

struct Selection {
  std::vector<std::string> include;  // Hub patterns; replaces the default choice when not empty
  std::vector<std::string> exclude;
  bool all_files = false;
};

struct LeftOut {
  std::string why;  // "PyTorch copy of the same weights"
  std::vector<std::string> paths;
  std::uint64_t bytes = 0;
};

struct Choice {
  std::vector<FileEntry> files;   // in listing order
  std::vector<LeftOut> left_out;  // empty for explicit selections
  std::vector<std::string>
      problems;         // why a server could not load it ("no tokenizer"); empty = servable
  std::string weights;  // "safetensors", "gguf", "pytorch", "adapter", "onnx", …, "none"
  std::string
      base_model;  // of an adapter: the Hub id that adapter_config.json names, "" if unknown
};

/// Gives the content of one small file of the snapshot (an index, config.json), nullopt if it is
/// absent.
using ReadSmall = std::function<std::optional<std::string>(const std::string& path)>;

/// The default choice: weights that the safetensors index (or single file) names, everything a
/// server or tokenizer needs, and the documentation; complete second copies are left out (pickle
/// twins, original/, metal/, consolidated*, ONNX, GGUF beside safetensors, overlapping splits), as
/// are training state and Git's own files. What is not known is taken. Of repositories of GGUF
/// files one quantization is taken. `include`/`exclude`/`all_files` as the Hub's clients do;
/// `exclude` alone narrows the default choice. Throws Code::usage when nothing is selected,
/// Code::malformed for an index that cannot be read or names files that the listing lacks.
Choice choose_files(const Snapshot& snapshot, const Selection& selection, const ReadSmall& read);

/// Commit order of a file (design: weights first, then the rest, index and config last): 0 weights,
/// 1 rest, 2 index and config.json.
int publish_rank(std::string_view path);

}  // namespace dray
