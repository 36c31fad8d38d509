// The header of a safetensors file (format: huggingface/safetensors README, "Format").
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/bytes.h"

namespace dray {

struct TensorInfo {
  std::string name;
  std::string dtype;  // "BF16", "F32", "I64", "F8_E4M3" …
  std::vector<std::uint64_t> shape;
  ByteRange data;  // relative to the start of the data section
  bool operator==(const TensorInfo&) const = default;
};

struct SafetensorsHeader {
  std::uint64_t header_bytes = 0;   // 8-byte length and JSON together: where data begins
  std::vector<TensorInfo> tensors;  // in data order
  std::map<std::string, std::string> metadata;
};

/// Length of the JSON that follows the first 8 bytes; throws Code::malformed above 100 MB or if
/// `bytes` < 8.
std::uint64_t safetensors_json_length(Bytes first_8_bytes, std::string_view what);
/// Parses length + JSON. `file_size` bounds the data; holes, overlaps, sizes that do not fit dtype
/// × shape, unknown dtypes, duplicate names are Code::malformed naming `what` and the tensor.
SafetensorsHeader parse_safetensors_header(Bytes header, std::uint64_t file_size,
                                           std::string_view what);
/// Length and JSON of a file, filled up with spaces so that data begins at a multiple of
/// `alignment`.
Buffer safetensors_head(std::string json, std::uint64_t alignment);
/// Where a tensor lies; `file` is borrowed.
struct TensorPlace {
  std::string tensor;
  std::string_view file;
};
/// model.safetensors.index.json of these, in order of their names. `total_size`: bytes of their
/// data.
std::string safetensors_index(std::vector<TensorPlace> tensors, std::uint64_t total_size);
/// Bits of one element, 0 for an unknown dtype.
int dtype_bits(std::string_view dtype);
/// Bytes of this many elements of `bits` bits; nullopt on overflow or when it is no whole number of
/// bytes.
std::optional<std::uint64_t> tensor_bytes(int bits, const std::vector<std::uint64_t>& shape);

}  // namespace dray
