// What has to be known of the weights of a shard before their first code (NVFP4).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "dray/base/error.h"
#include "dray/base/transform.h"
#include "dray/quantize/scheme.h"
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
  /// As for ShardTransform. Throws what parse_safetensors_header() throws.
  ShardStatistics(std::string what, Buffer header, std::uint64_t size,
                  std::set<std::string> quantized);

  /// By name of the weight; complete after finish().
  const std::map<std::string, float>& largest() const { return largest_; }

  std::uint64_t output_size() const override { return 0; }
  std::string identity() const override { return "largest magnitudes"; }
  void restart() override;
  void feed(Bytes input, TransformOutput& output) override;
  /// Code::verification for another header than the one planned for, Code::unsupported for weights
  /// that are not finite.
  void finish(TransformOutput& output) override;

 private:
  void look(const TensorInfo& tensor, Bytes bytes);

  std::string what_;
  ShardWalk walk_;
  std::set<std::string> quantized_;
  Buffer carry_;  // less than an element
  std::map<std::string, float> largest_;
  std::optional<Error> problem_;
};

/// The statistics of all weights of a model, from the largest magnitude of each. `weights`: those
/// that are quantized, of all shards.
std::map<std::string, WeightStatistics> statistics_of(const std::vector<TensorInfo>& weights,
                                                      const std::map<std::string, float>& largest);

/// What is said of a weight that holds NaN or an infinity, and of a shard that begins otherwise
/// than its header did when it was read for the plan.
Error not_finite(const std::string& tensor);
Error another_header(const std::string& shard);

}  // namespace dray::quantize
