// Safetensors files that tests make.
#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/json.h"

namespace dray::test {

struct FileTensor {
  std::string name, dtype;
  std::vector<std::uint64_t> shape;
  Buffer bytes;
};

/// Length and JSON. `note` goes to the metadata.
inline Buffer safetensors_header(const std::vector<FileTensor>& tensors,
                                 const std::string& note = "") {
  nlohmann::ordered_json json;
  if (!note.empty()) json["__metadata__"] = {{"note", note}};
  std::uint64_t at = 0;
  for (const FileTensor& tensor : tensors) {
    json[tensor.name] = {{"dtype", tensor.dtype},
                         {"shape", tensor.shape},
                         {"data_offsets", {at, at + tensor.bytes.size()}}};
    at += tensor.bytes.size();
  }
  const std::string text = json.dump();
  Buffer out(8 + text.size());
  const std::uint64_t length = text.size();
  std::memcpy(out.data(), &length, 8);
  std::memcpy(out.data() + 8, text.data(), text.size());
  return out;
}

/// Tensors in this order.
inline Buffer safetensors_file(const std::vector<FileTensor>& tensors,
                               const std::string& note = "") {
  Buffer out = safetensors_header(tensors, note);
  for (const FileTensor& tensor : tensors)
    out.insert(out.end(), tensor.bytes.begin(), tensor.bytes.end());
  return out;
}

/// Tensors of bytes, in this order.
inline Buffer safetensors_file(const std::vector<std::pair<std::string, Buffer>>& tensors,
                               const std::string& note = "") {
  std::vector<FileTensor> all;
  for (const auto& [name, bytes] : tensors) all.push_back({name, "U8", {bytes.size()}, bytes});
  return safetensors_file(all, note);
}

}  // namespace dray::test
