// What differs between two releases, also of two stores: files, settings, tensors, prompts,
// results.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/model/manifest.h"
#include "dray/store/layout.h"
#include "dray/store/store.h"

namespace dray {

/// One of the two releases.
struct DiffSide {
  Store* store = nullptr;  // borrowed
  Manifest manifest;
  std::string place{kDefaultTemplate};
};

struct FileDifference {
  enum class Kind { added, removed, changed, renamed } kind = Kind::changed;
  std::string path;      // in the second release, but for removed ones
  std::string old_path;  // of a renamed one
  std::uint64_t old_size = 0, size = 0;
  std::string old_sha256, sha256;
};

/// A setting of a JSON file. Values are JSON text; "" where it is not there.
struct SettingDifference {
  std::string file;
  std::string key;  // "rope_scaling.factor"
  std::string before, after;
};

struct TensorForm {
  std::string dtype;
  std::vector<std::uint64_t> shape;
  bool operator==(const TensorForm&) const = default;
};

struct TensorDifference {
  std::string name;
  std::optional<TensorForm> before, after;  // never both absent, never equal
};

/// All tensors of one dtype.
struct DtypeTotal {
  std::uint64_t tensors = 0, elements = 0;
  bool operator==(const DtypeTotal&) const = default;
};

struct TemplateDifference {
  std::string name;  // "default", "tool_use"
  std::string diff;  // unified
};

struct MetricDifference {
  std::string name;  // "mmlu acc"
  std::optional<double> before, after;
};

struct ReleaseDifference {
  bool same_content = false;  // equal root digests
  std::vector<FileDifference> files;
  std::vector<SettingDifference> settings;
  bool tensors_compared = false;  // false: the weights are the same, or are no safetensors
  std::vector<TensorDifference> tensors;
  std::map<std::string, DtypeTotal> dtypes_before, dtypes_after;  // where tensors were compared
  std::vector<TemplateDifference> templates;
  std::vector<MetricDifference> metrics;  // of both evaluations, changed or not
  std::vector<std::string> notes;         // what could not be compared, and why
};

/// Of weights only the headers are read (by ranges), of other files only those named below, and
/// only where their digests differ: config.json and its like, chat templates. Evaluations are read
/// from `.dray/evals/`. Files that cannot be understood become notes.
ReleaseDifference diff_releases(const DiffSide& before, const DiffSide& after,
                                const std::stop_token& stop);

}  // namespace dray
