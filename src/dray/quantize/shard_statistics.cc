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

ShardStatistics::ShardStatistics(std::string what, Buffer header, std::uint64_t size,
                                 std::set<std::string> quantized)
    : what_(std::move(what)),
      walk_(std::move(header), size, what_),
      quantized_(std::move(quantized)) {}

void ShardStatistics::restart() {
  walk_.restart();
  carry_.clear();
  largest_.clear();
  problem_.reset();
}

void ShardStatistics::feed(Bytes input, TransformOutput&) {
  walk_.feed(
      input,
      [&](std::size_t tensor, Bytes bytes) {
        const TensorInfo& info = walk_.tensors()[tensor];
        if (quantized_.contains(info.name)) look(info, bytes);
      },
      [](std::size_t) {});
}

void ShardStatistics::look(const TensorInfo& tensor, Bytes bytes) {
  const WeightFormat format = weight_format(tensor.dtype);
  const std::size_t element = bytes_of(format);
  float& largest = largest_[tensor.name];
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
  if (!walk_.same_header()) throw another_header(what_);
  if (problem_) throw Error(*problem_);
}

std::map<std::string, WeightStatistics> statistics_of(const std::vector<TensorInfo>& weights,
                                                      const std::map<std::string, float>& largest) {
  std::map<std::string, WeightStatistics> out;
  for (const TensorInfo& weight : weights) {
    WeightStatistics& here = out[weight.name];
    here.largest = largest.at(weight.name);
    float all = here.largest;
    for (const std::string& other : fused_with(module_of(weight.name)))
      if (const auto found = largest.find(other + std::string(kWeight)); found != largest.end())
        all = std::max(all, found->second);
    here.global = global_of(weight_format(weight.dtype), all);
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
