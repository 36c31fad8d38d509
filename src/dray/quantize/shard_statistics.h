// What has to be known of the weights of a shard before their first code (NVFP4).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/transform.h"
#include "dray/quantize/shard_input.h"
#include "dray/quantize/shard_walk.h"

namespace dray::quantize {

/// What NVFP4 has to know of a weight.
struct WeightStatistics {
  float largest = 0;  // magnitude of its elements, checked again on the way
  float global = 1;   // of it and of those that it is fused with: what scales are multiplied with
};

/// Finds the largest magnitude in each weight of a shard while its bytes pass by; writes nothing.
class ShardStatistics final : public Transform {
 public:
  explicit ShardStatistics(std::shared_ptr<const ShardInput> shard);

  const ShardInput& shard() const { return walk_.shard(); }
  /// For each tensor of the shard, 0 for those that are not quantized; complete after finish().
  const std::vector<float>& largest() const { return largest_; }

  std::uint64_t output_size() const override { return 0; }
  std::string identity() const override { return "largest magnitudes"; }
  void restart() override;
  void feed(Bytes input, TransformOutput& output) override;
  /// Code::verification for another header than the one planned for, Code::unsupported for weights
  /// that are not finite.
  void finish(TransformOutput& output) override;

 private:
  void look(std::size_t tensor, Bytes bytes);

  ShardWalk walk_;
  Buffer carry_;  // less than an element
  std::vector<float> largest_;
  std::optional<Error> problem_;
};

/// The largest magnitudes of all weights of a model that are quantized, by their names, which are
/// borrowed.
using LargestMagnitudes = std::map<std::string_view, float>;
/// For each tensor of a shard, from the largest magnitudes of all shards' weights.
std::vector<WeightStatistics> statistics_of(const ShardInput& shard,
                                            const LargestMagnitudes& largest);

/// What is said of a weight that holds NaN or an infinity, and of a shard that begins otherwise
/// than its header did when it was read for the plan.
Error not_finite(const std::string& tensor);
Error another_header(const std::string& shard);

}  // namespace dray::quantize
