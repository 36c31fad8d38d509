#include "dray/quantize/shard_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/json.h"

namespace dray::quantize {

namespace {

constexpr std::uint64_t kAlignment = 4096;  // of the data section, so that it can be mapped
constexpr std::uint64_t kMostKept = 64 * kMiB;

std::uint64_t bytes_of(const TensorInfo& tensor) {
  return tensor_bytes(dtype_bits(tensor.dtype), tensor.shape).value();
}

/// At which addresses a reader expects it: multiples of its element's bytes.
std::uint64_t alignment_of(const TensorInfo& tensor) {
  return static_cast<std::uint64_t>(std::max(8, dtype_bits(tensor.dtype))) / 8;
}

/// All outputs, in the order of the input.
std::vector<PlannedTensor> outputs(const ShardInput& input, const Scheme& scheme) {
  std::vector<PlannedTensor> out;
  for (std::size_t i = 0; i < input.header.tensors.size(); ++i) {
    const TensorInfo& tensor = input.header.tensors[i];
    if (!input.quantized[i]) {
      out.push_back({{tensor.name, tensor.dtype, tensor.shape, {}}, i, true});
      continue;
    }
    for (TensorInfo& made : outputs_of(scheme, tensor)) out.push_back({std::move(made), i, false});
  }
  return out;
}

bool is_shape(const PlannedTensor& tensor) { return !tensor.copied && tensor.info.dtype == "I64"; }

/// Puts them into data order; returns how many bytes are kept until the end.
std::uint64_t arrange(std::vector<PlannedTensor>& tensors, const std::string& what) {
  std::uint64_t widest = 1;
  for (const auto& tensor : tensors)
    if (!is_shape(tensor)) widest = std::max(widest, alignment_of(tensor.info));
  const auto first = std::stable_partition(tensors.begin(), tensors.end(), is_shape);
  const auto last = std::stable_partition(first, tensors.end(), [&](const PlannedTensor& tensor) {
    return bytes_of(tensor.info) % widest == 0;
  });
  std::stable_sort(last, tensors.end(), [](const PlannedTensor& a, const PlannedTensor& b) {
    return alignment_of(a.info) > alignment_of(b.info);
  });
  std::uint64_t kept = 0;
  for (auto it = last; it != tensors.end(); ++it) kept += bytes_of(it->info);
  if (kept > kMostKept)
    throw Error(Code::unsupported,
                fmt::format("{} of its tensors have lengths that no multiple of {} bytes fits",
                            human_size(kept), widest))
        .on("compress", what)
        .hint("leave these tensors out of the scheme with --ignore");
  return kept;
}

Buffer header_of(const std::vector<PlannedTensor>& tensors,
                 std::map<std::string, std::string> metadata) {
  metadata.try_emplace("format", "pt");
  // Readers take any order of keys; data order is what the reference writer has.
  nlohmann::ordered_json json;
  json["__metadata__"] = metadata;
  for (const auto& [info, input, copied] : tensors)
    json[info.name] = {{"dtype", info.dtype},
                       {"shape", info.shape},
                       {"data_offsets", {info.data.offset, info.data.end()}}};
  return safetensors_head(json.dump(), kAlignment);
}

}  // namespace

ShardPlan plan_shard(const ShardInput& input, const Scheme& scheme) {
  ShardPlan out;
  out.tensors = outputs(input, scheme);
  out.kept = arrange(out.tensors, input.what);
  std::uint64_t at = 0;
  for (PlannedTensor& tensor : out.tensors) {
    tensor.info.data = {at, bytes_of(tensor.info)};
    at = tensor.info.data.end();
  }
  out.header = header_of(out.tensors, input.header.metadata);
  out.size = out.header.size() + at;
  return out;
}

}  // namespace dray::quantize
