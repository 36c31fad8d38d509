// A safetensors shard that is to be quantized, as far as it is known from its head.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "dray/model/safetensors.h"

namespace dray::quantize {

struct ShardInput {
  std::string what;        // the file, for errors
  std::uint64_t size = 0;  // of the file
  SafetensorsHeader header;
  Sha256 head;                  // of the file's first bytes, length and JSON
  std::vector<bool> quantized;  // for each tensor of the header whether it is
};

/// From the file's first bytes, length and JSON; nothing of it is quantized yet. Throws what
/// parse_safetensors_header() throws.
ShardInput read_shard(std::string what, Bytes head, std::uint64_t size);

}  // namespace dray::quantize
