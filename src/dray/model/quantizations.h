// Repositories of GGUF and ONNX files hold the same model many times, once in each precision: one
// of them is taken.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dray/model/native_weights.h"
#include "dray/model/snapshot.h"

namespace dray {

/// A GGUF file name taken apart: "Llama-3.1-8B-UD-Q4_K_XL-00001-of-00002.gguf" is the model
/// "llama-3.1-8b" in "UD-Q4_K_XL". The quantization is "" where none is recognised.
struct GgufName {
  std::string model;         // lower case, without quantization, shard number and extension
  std::string quantization;  // upper case
};
GgufName parse_gguf_name(std::string_view name);

/// Of each model one quantization with all its shards: Q4_K_M as llama.cpp does, else the next
/// best; of a projector (mmproj) F16. The others are left.
NativeWeights choose_gguf(const std::vector<const FileEntry*>& files);

/// The plain file (`model.onnx` and its data) where there is one, else all.
NativeWeights choose_onnx(const std::vector<const FileEntry*>& files);

}  // namespace dray
