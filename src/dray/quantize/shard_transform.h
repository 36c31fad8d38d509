// A safetensors shard becomes a quantized one while its bytes pass by: nothing waits for a whole
// tensor but its scales.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/transform.h"
#include "dray/model/safetensors.h"
#include "dray/model/weight_error.h"
#include "dray/quantize/scheme.h"
#include "dray/quantize/shard_input.h"
#include "dray/quantize/shard_plan.h"
#include "dray/quantize/shard_statistics.h"
#include "dray/quantize/shard_walk.h"

namespace dray::quantize {

class TensorCoder;

struct ShardRequest {
  std::shared_ptr<const ShardInput> shard;
  Scheme scheme;
  std::vector<WeightStatistics> statistics;  // for each tensor of the shard; empty but for NVFP4
};

/// Memory that is written to as if it were a part.
class KeptOutput final : public TransformOutput {
 public:
  explicit KeptOutput(std::uint64_t size) : bytes_(static_cast<std::size_t>(size)) {}
  MutableBytes space() override { return MutableBytes(bytes_).subspan(filled_); }
  void filled(std::uint64_t bytes) override { filled_ += static_cast<std::size_t>(bytes); }
  Bytes bytes() const { return bytes_; }

 private:
  Buffer bytes_;
  std::size_t filled_ = 0;
};

/// What is wrong with the content (another header than the one planned for, numbers that are not
/// finite, other statistics) is told by finish(): then the input is known to be what its publisher
/// states.
class ShardTransform final : public Transform {
 public:
  /// Throws what plan_shard() throws.
  explicit ShardTransform(ShardRequest request);
  ~ShardTransform() override;

  const ShardPlan& plan() const { return plan_; }
  /// Of all quantized weights, in the order of the input; complete after finish().
  const std::vector<WeightError>& errors() const { return errors_; }

  std::uint64_t output_size() const override { return plan_.size; }
  std::uint64_t memory() const override { return memory_; }
  /// Scheme, input header and choice of weights.
  std::string identity() const override;
  /// errors(), as to_json() writes them.
  std::string report() const override;
  void restart() override;
  void feed(Bytes input, TransformOutput& output) override;
  void finish(TransformOutput& output) override;

 private:
  void begin(TransformOutput& output);
  void feed_tensor(std::size_t tensor, Bytes input, TransformOutput& output);
  void end_tensor(std::size_t tensor, TransformOutput& output);
  TransformOutput& place_of(std::size_t tensor, TransformOutput& output);
  void problem(Error error);

  ShardRequest request_;
  ShardWalk walk_;
  ShardPlan plan_;
  std::vector<std::vector<std::size_t>> outputs_;  // of each input tensor, into plan_.tensors
  std::size_t first_kept_ = 0;                     // in plan_.tensors: from here on kept
  std::uint64_t memory_ = 0;

  bool begun_ = false;
  std::unique_ptr<TensorCoder> coder_;      // of the tensor that is being read, if it is quantized
  std::map<std::size_t, KeptOutput> kept_;  // by index into plan_.tensors
  std::vector<WeightError> errors_;
  std::optional<Error> problem_;
};

}  // namespace dray::quantize
