// The arithmetic of compressed-tensors, one number at a time: scales, zero points and codes.
//
// Sources: compressed-tensors 0.18 to 0.20 (quantization/utils/helpers.py calculate_qparams,
// lifecycle/forward_helpers.py, utils/mxfp_utils.py, compressors/nvfp4/helpers.py) and
// llm-compressor (observers/min_max.py). Every step is rounded into the format of the weights, as
// PyTorch does: that decides codes (one in ten at 8 bits), so nothing here may be contracted or
// reordered.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <type_traits>

#include "dray/quantize/floats.h"

namespace dray::quantize {

/// Of the elements that share a scale. Zero is always among them, as in the observers.
struct MinMax {
  float min = 0, max = 0;
  float largest() const { return std::max(max, -min); }
};

/// NaN or an infinity among the elements gives bounds that are not finite.
template <typename T>
MinMax min_max(std::span<const typename T::Bits> elements) {
  MinMax out;
  for (const auto bits : elements) {
    const float x = T::value(bits);
    if (!std::isfinite(x)) return {x, x};
    out.min = std::min(out.min, x);
    out.max = std::max(out.max, x);
  }
  return out;
}

/// Elements that are all zero have a scale too.
template <typename T>
float scale_or_epsilon(float scale) {
  return scale == 0 ? T::kEpsilon : scale;
}

// ---- integers: codes of `bits` bits, -2^(bits-1) … 2^(bits-1) - 1 ----

struct IntParams {
  float scale = 1;
  int zero_point = 0;  // 0 for symmetric ones
};

template <typename T>
IntParams int_params(const MinMax& seen, int bits, bool symmetric) {
  const auto steps = static_cast<float>((1 << bits) - 1);
  const auto least = static_cast<float>(-(1 << (bits - 1))), most = -least - 1;
  if (symmetric) return {scale_or_epsilon<T>(T::round(seen.largest() / (steps / 2))), 0};
  const float scale = T::round(T::round(seen.max - seen.min) / steps);
  // Before the scale becomes epsilon: 0 / 0 gives the integer 0, a bound / 0 infinity.
  if (scale == 0) return {T::kEpsilon, seen.min < 0 ? static_cast<int>(most) : 0};
  const float zero = T::round(least - T::round(seen.min / scale));
  return {scale, static_cast<int>(nearest_integer(std::clamp(zero, least, most)))};
}

template <typename T>
int int_code(float x, const IntParams& params, int bits, bool symmetric) {
  const auto least = static_cast<float>(-(1 << (bits - 1))), most = -least - 1;
  float scaled = T::round(x / params.scale);
  if (!symmetric) scaled = T::round(scaled + static_cast<float>(params.zero_point));
  return static_cast<int>(nearest_integer(std::clamp(scaled, least, most)));
}

// ---- FP8 E4M3 with a scale in the weights' format ----

template <typename T>
float fp8_scale(const MinMax& seen) {
  return scale_or_epsilon<T>(T::round(seen.largest() / kLargestE4m3));
}

template <typename T>
std::uint8_t fp8_code(float x, float scale) {
  return e4m3_bits(std::clamp(T::round(x / scale), -kLargestE4m3, kLargestE4m3));
}

// ---- MX: groups of 32 share a power of two, stored as its exponent + 127 (E8M0) ----

/// The largest magnitude rounded to a power of two (up from 1.75 on), less the largest exponent of
/// the elements. Of a group that is nothing, the least one (which the library keeps in the format
/// of the weights: F16 takes it for 0, and that becomes 1).
template <typename T>
std::uint8_t mx_scale(const MinMax& seen, Element element) {
  using Bits = typename T::Bits;
  const Bits up = Bits{1} << (T::kMantissaBits - 2), mantissa = (Bits{1} << T::kMantissaBits) - 1;
  const auto bits =
      static_cast<Bits>((T::bits(seen.largest()) + up) & ~static_cast<unsigned>(mantissa));
  const float power = T::value(bits);
  if (power == 0) return std::is_same_v<T, F16> ? 127 : 0;
  // A normal number or infinity: there are no subnormal powers of two without their mantissa.
  const int exponent = static_cast<int>(std::bit_cast<std::uint32_t>(power) >> 23U) - 127;
  return static_cast<std::uint8_t>(
      std::clamp(127 + exponent - (element == Element::fp4 ? 2 : 8), 0, 255));
}

template <typename T>
std::uint8_t mx_code(float x, std::uint8_t scale, Element element) {
  const float scaled = T::round(x / std::ldexp(1.0F, scale - 127));
  if (element == Element::fp4) return fp4_code(std::clamp(scaled, -kLargestFp4, kLargestFp4));
  return e4m3_bits(std::clamp(scaled, -kLargestE4m3, kLargestE4m3));
}

// ---- NVFP4: groups of 16 with an E4M3 scale below one factor for the whole tensor ----

/// What the groups' scales are multiplied with; `largest` is that of the tensor and of those that
/// it is fused with.
template <typename T>
float nvfp4_global(float largest) {
  if (!std::isfinite(largest)) return 1;
  // A reciprocal and a product: PyTorch divides a number by a tensor so.
  const float inverse = T::round(1 / std::max(largest, T::kSmallestNormal));
  const float global = T::round(inverse * (kLargestE4m3 * kLargestFp4));
  return std::isfinite(global) ? global : 1;
}

template <typename T>
std::uint8_t nvfp4_scale(const MinMax& seen, float global) {
  const float local = global * T::round(seen.largest() / kLargestFp4);
  const std::uint8_t bits = e4m3_bits(std::clamp(local, -kLargestE4m3, kLargestE4m3));
  return bits == 0 ? e4m3_bits(0.125F) : bits;
}

inline std::uint8_t nvfp4_code(float x, std::uint8_t scale, float global) {
  const float effective = e4m3_value(scale) / global;
  return fp4_code(std::clamp(x / effective, -kLargestFp4, kLargestFp4));
}

// ---- packing ----

/// Codes of 2 to 8 bits of one row, each plus 2^(bits-1), as a stream of bits, lowest first, in
/// 32-bit words; what is left of the last word is 0. `words` holds (codes × bits + 31) / 32.
inline void pack_codes(std::span<const int> codes, int bits, std::span<std::uint32_t> words) {
  std::fill(words.begin(), words.end(), 0U);
  std::size_t at = 0;
  for (const int code : codes) {
    const auto u = static_cast<std::uint64_t>(code + (1 << (bits - 1))) << (at % 32);
    words[at / 32] |= static_cast<std::uint32_t>(u);
    if (u >> 32U != 0) words[at / 32 + 1] |= static_cast<std::uint32_t>(u >> 32U);
    at += static_cast<std::size_t>(bits);
  }
}

}  // namespace dray::quantize
