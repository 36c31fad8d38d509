// One weight becomes codes and scales while its bytes pass by.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/transform.h"
#include "dray/model/safetensors.h"
#include "dray/quantize/kernels.h"
#include "dray/quantize/scheme.h"

namespace dray::quantize {

/// Holds the scales of one weight, and of its elements what is not enough for a scale yet.
class TensorCoder {
 public:
  /// `weight` is one that why_not() has nothing against. `global`: of NVFP4.
  TensorCoder(const Scheme& scheme, const TensorInfo& weight, float global);

  /// The next bytes of the weight; writes their codes.
  void feed(Bytes input, TransformOutput& codes);
  /// The weight is complete: the bytes of one of its other tensors ("_scale", "_zero_point" …),
  /// each once.
  Buffer take(std::string_view suffix);
  const Seen& seen() const { return seen_; }

  /// Bytes that one for this weight holds at most.
  static std::uint64_t memory(const Scheme& scheme, const TensorInfo& weight);

 private:
  void code_units(const std::byte* from, std::uint64_t units, TransformOutput& codes);
  void code(const std::byte* from, std::uint64_t units, std::byte* codes);
  void code_block(const std::byte* from, std::byte* codes);
  Buffer packed_zero_points() const;

  Sharing sharing_;
  CodeRule rule_;
  std::uint64_t rows_, columns_;
  std::uint64_t unit_;      // elements that are coded at once: a group, a row, 128 rows
  std::uint64_t done_ = 0;  // elements
  Buffer carry_;            // less than a unit
  Buffer bounce_;           // codes of a unit that a part's end cuts
  Buffer scales_;
  std::uint64_t scaled_ = 0;  // scales so far
  std::vector<std::int8_t> zero_points_;
  Seen seen_;
};

}  // namespace dray::quantize
