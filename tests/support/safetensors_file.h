// Safetensors files that tests make.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/json.h"

namespace dray::test {

/// Tensors of bytes, in this order.
inline Buffer safetensors_file(const std::vector<std::pair<std::string, Buffer>>& tensors,
                               const std::string& note = "") {
  Json header = {{"__metadata__", {{"note", note}}}};
  std::uint64_t at = 0;
  for (const auto& [name, bytes] : tensors) {
    header[name] = {
        {"dtype", "U8"}, {"shape", {bytes.size()}}, {"data_offsets", {at, at + bytes.size()}}};
    at += bytes.size();
  }
  const std::string text = header.dump();
  Buffer out;
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<std::byte>(text.size() >> (8 * i) & 255));
  out.insert(out.end(), as_bytes(text).begin(), as_bytes(text).end());
  for (const auto& [name, bytes] : tensors) out.insert(out.end(), bytes.begin(), bytes.end());
  return out;
}

}  // namespace dray::test
