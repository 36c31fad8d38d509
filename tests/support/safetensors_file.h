// Safetensors files that tests make.
#pragma once

#include <cstring>
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
  Buffer out(8 + text.size() + at);
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<std::byte>(text.size() >> (8 * i) & 255);
  std::memcpy(out.data() + 8, text.data(), text.size());
  std::byte* to = out.data() + 8 + text.size();
  for (const auto& [name, bytes] : tensors) {
    std::memcpy(to, bytes.data(), bytes.size());
    to += bytes.size();
  }
  return out;
}

}  // namespace dray::test
