#include "dray/quantize/shard_statistics.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "dray/quantize/choice.h"
#include "dray/quantize/kernels.h"
#include "dray/quantize/module_name.h"
#include "dray/quantize/reference.h"

namespace dray::quantize {

namespace {

float global_of(WeightFormat format, float largest) {
  switch (format) {
    case WeightFormat::bf16:
      return nvfp4_global<Bf16>(largest);
    case WeightFormat::f16:
      return nvfp4_global<F16>(largest);
    case WeightFormat::f32:
      return nvfp4_global<F32>(largest);
  }
  return 1;
}

}  // namespace

ShardStatistics::ShardStatistics(std::shared_ptr<const ShardInput> shard)
    : walk_(std::move(shard)), largest_(walk_.tensors().size()) {}

void ShardStatistics::restart() {
  walk_.restart();
  carry_.clear();
  largest_.assign(largest_.size(), 0);
  problem_.reset();
}

void ShardStatistics::feed(Bytes input, TransformOutput&) {
  walk_.feed(
      input,
      [&](std::size_t tensor, Bytes bytes) {
        if (shard().quantized[tensor]) look(tensor, bytes);
      },
      [](std::size_t) {});
}

void ShardStatistics::look(std::size_t index, Bytes bytes) {
  const TensorInfo& tensor = walk_.tensors()[index];
  const WeightFormat format = weight_format(tensor.dtype);
  const std::size_t element = bytes_of(format);
  float& largest = largest_[index];
  const auto see = [&](const std::byte* from, std::size_t count) {
    const float here = bounds_of(format, from, count).largest();
    if (!std::isfinite(here) && !problem_) problem_ = not_finite(tensor.name);
    largest = std::max(largest, here);
  };
  if (!carry_.empty()) {  // an element that the end of the last bytes cut
    const std::size_t more = std::min(element - carry_.size(), bytes.size());
    carry_.insert(carry_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(more));
    bytes = bytes.subspan(more);
    if (carry_.size() < element) return;
    see(carry_.data(), 1);
    carry_.clear();
  }
  const std::size_t count = bytes.size() / element;
  see(bytes.data(), count);
  const Bytes rest = bytes.subspan(count * element);
  carry_.assign(rest.begin(), rest.end());
}

void ShardStatistics::finish(TransformOutput&) {
  if (!walk_.same_header()) throw another_header(shard().what);
  if (problem_) throw Error(*problem_);
}

std::vector<WeightStatistics> statistics_of(const ShardInput& shard,
                                            const LargestMagnitudes& largest) {
  std::vector<WeightStatistics> out(shard.header.tensors.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!shard.quantized[i]) continue;
    const TensorInfo& weight = shard.header.tensors[i];
    out[i].largest = largest.at(weight.name);
    float all = out[i].largest;
    for (const std::string& other : fused_with(module_of(weight.name)))
      if (const auto found = largest.find(other + std::string(kWeight)); found != largest.end())
        all = std::max(all, found->second);
    out[i].global = global_of(weight_format(weight.dtype), all);
  }
  return out;
}

Error not_finite(const std::string& tensor) {
  return Error(Code::unsupported, "it holds numbers that are infinite or none (NaN)")
      .on("compress", tensor)
      .hint("such a weight is damaged; --ignore leaves it as it is");
}

Error another_header(const std::string& shard) {
  return Error(Code::verification, "its header is another one than was read before")
      .on("compress", shard);
}

}  // namespace dray::quantize
