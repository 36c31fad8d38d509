#include "dray/quantize/shard_input.h"

#include <utility>

namespace dray::quantize {

ShardInput read_shard(std::string what, Bytes head, std::uint64_t size) {
  ShardInput out;
  out.header = parse_safetensors_header(head, size, what);
  out.head.update(head.first(static_cast<std::size_t>(out.header.header_bytes)));
  out.quantized.resize(out.header.tensors.size());
  out.what = std::move(what);
  out.size = size;
  return out;
}

}  // namespace dray::quantize
