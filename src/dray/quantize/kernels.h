// The inner loops of quantization, for the best instruction set that the machine has. They agree
// with reference.h bit for bit in all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dray/quantize/reference.h"
#include "dray/quantize/scheme.h"

namespace dray::quantize {

enum class WeightFormat { bf16, f16, f32 };

/// "BF16", "F16" or "F32"; Code::internal for any other.
WeightFormat weight_format(std::string_view dtype);
constexpr std::size_t bytes_of(WeightFormat format) { return format == WeightFormat::f32 ? 4 : 2; }

/// What runs of elements that share a scale are made into.
struct CodeRule {
  WeightFormat weights = WeightFormat::bf16;
  Element element = Element::integer;
  int bits = 4;
  bool symmetric = true;
  ScaleFormat scale = ScaleFormat::weights;
  bool packed = false;  // codes of integers lie in 32-bit words, each plus 2^(bits-1)
  float global = 1;     // of NVFP4
};

CodeRule rule_of(const Scheme& scheme, WeightFormat weights);
/// Bytes of the codes of `elements` elements.
std::size_t code_bytes(const CodeRule& rule, std::size_t elements);
std::size_t scale_bytes(const CodeRule& rule);

/// Sums over elements, by which one sees what quantization does to a weight: of the squares of the
/// weights, of what is read back, and of the differences of the two. The order of summation is the
/// instruction set's, so the last digits may differ.
struct Squares {
  double weights = 0, restored = 0, differences = 0;
};

/// What was seen of a weight.
struct Seen {
  Squares squares;
  MinMax bounds;
  bool finite = true;  // no NaN and no infinity; else nothing else here means anything
};

/// Quantizes `groups` times `group` elements, which follow each other at `elements` (at any
/// address). `codes` takes code_bytes() of them all, `scales` scale_bytes() for each group,
/// `zero_points` one for each where the rule is not symmetric. `group` is even, and a multiple of 8
/// where codes are packed. Adds to `seen`.
void quantize_groups(const CodeRule& rule, const std::byte* elements, std::size_t groups,
                     std::size_t group, std::byte* codes, std::byte* scales,
                     std::int8_t* zero_points, Seen& seen);

/// The two halves of it, for elements that share a scale and do not follow each other: least and
/// greatest of them and 0 (not finite if one of them is not) …
MinMax bounds_of(WeightFormat weights, const std::byte* elements, std::size_t count);
/// … and the codes of some, below the scale of `shared`, the bounds of all. Writes the scale each
/// time.
void encode_run(const CodeRule& rule, const std::byte* elements, std::size_t count,
                const MinMax& shared, std::byte* codes, std::byte* scale, Seen& seen);

}  // namespace dray::quantize
