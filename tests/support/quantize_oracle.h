// What compressed-tensors makes of a whole weight, one number at a time: what kernels and streams
// are held against.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/quantize/kernels.h"
#include "dray/quantize/scheme.h"

namespace dray::test {

struct QuantizedWeight {
  Buffer codes, scales;          // as they are stored
  std::vector<int> zero_points;  // one for each scale, where the scheme is not symmetric
  Buffer packed_zero_points;     // … as they are stored
  quantize::Squares squares;     // of the weight, of what is read back, of the difference
};

/// `elements`: rows of `columns` each, BF16, F16 or F32. `global`: of NVFP4.
QuantizedWeight quantized(const quantize::Scheme& scheme, const std::string& dtype,
                          std::uint64_t rows, std::uint64_t columns, Bytes elements,
                          float global = 1);

}  // namespace dray::test
