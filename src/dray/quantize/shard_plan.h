// What a safetensors shard becomes: every tensor's place in the output, from the input's header
// alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/model/safetensors.h"
#include "dray/quantize/scheme.h"
#include "dray/quantize/shard_input.h"

namespace dray::quantize {

/// One tensor of the output.
struct PlannedTensor {
  TensorInfo info;        // `data` relative to the output's data section
  std::size_t input = 0;  // index of the input tensor that it is made of
  bool copied = false;    // its bytes are those of the input tensor
};

/// The output is one sequential stream: header, then the tensors in data order. Shapes (I64) come
/// first, since they are known beforehand; then follow the outputs of each input tensor in the
/// order of the input; last come those whose length would leave what follows them at an odd
/// address, since the format knows no holes and readers map tensors in place. These are small, and
/// kept in memory until then.
struct ShardPlan {
  Buffer header;                       // length and JSON, filled up with spaces
  std::vector<PlannedTensor> tensors;  // in data order
  std::uint64_t size = 0;              // of the whole file
  std::uint64_t kept = 0;              // bytes that are kept in memory until the end
};

/// The metadata is the input's, with format = pt where it says none. Code::unsupported, naming the
/// shard, if more than 64 MiB would have to be kept.
ShardPlan plan_shard(const ShardInput& input, const Scheme& scheme);

}  // namespace dray::quantize
