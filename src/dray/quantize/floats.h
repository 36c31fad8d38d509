// The number formats of weights, scales and codes, as scalar functions: what the kernels must agree
// with bit for bit.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace dray::quantize {

/// What the codes of a weight are.
enum class Element { integer, fp8, fp4 };

/// The nearest integer, ties to even; for |x| < 2^22.
inline float nearest_integer(float x) { return (x + 0x1.8p23F) - 0x1.8p23F; }

/// The formats of weights share one shape. `Bits` is an element as it is stored; value() is exact;
/// bits() takes the nearest value, ties to even, and keeps NaN; round() is what an operation in
/// this format does to its result, which is computed as a float (as PyTorch computes on a CPU).
struct Bf16 {
  using Bits = std::uint16_t;
  static constexpr int kMantissaBits = 7;
  static constexpr float kEpsilon = 0x1p-7F, kSmallestNormal = 0x1p-126F;

  static float value(Bits bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
  }
  static Bits bits(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    if (std::isnan(value)) return static_cast<Bits>(bits >> 16U | 0x40U);
    return static_cast<Bits>((bits + 0x7FFFU + (bits >> 16U & 1U)) >> 16U);
  }
  static float round(float x) { return value(bits(x)); }
};

struct F16 {
  using Bits = std::uint16_t;
  static constexpr int kMantissaBits = 10;
  static constexpr float kEpsilon = 0x1p-10F, kSmallestNormal = 0x1p-14F;

  static float value(Bits bits) {
    const std::uint32_t sign = (bits & 0x8000U) << 16U, rest = bits & 0x7FFFU;
    if (rest >= 0x7C00U) return std::bit_cast<float>(sign | 0x7F800000U | rest << 13U);
    // Read as a float it is too small by the difference of the biases; the product is exact, also
    // for subnormal numbers.
    return std::bit_cast<float>(
        sign | std::bit_cast<std::uint32_t>(std::bit_cast<float>(rest << 13U) * 0x1p112F));
  }
  static Bits bits(float value) {
    const auto all = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = all >> 16U & 0x8000U, rest = all & 0x7FFFFFFFU;
    if (rest > 0x7F800000U) return static_cast<Bits>(sign | 0x7E00U);
    if (rest >= 0x477FF000U) return static_cast<Bits>(sign | 0x7C00U);  // 65520 and more
    if (rest < 0x38800000U)                                             // below 2^-14
      return static_cast<Bits>(  // in steps of 2^-24, the last digit of a float from 0.5 on
          sign | (std::bit_cast<std::uint32_t>(std::bit_cast<float>(rest) + 0.5F) & 0x7FFU));
    return static_cast<Bits>(
        sign | (((rest + 0xFFFU + (rest >> 13U & 1U)) >> 13U) - ((127U - 15U) << 10U)));
  }
  static float round(float x) { return value(bits(x)); }
};

struct F32 {
  using Bits = std::uint32_t;
  static constexpr int kMantissaBits = 23;
  static constexpr float kEpsilon = 0x1p-23F, kSmallestNormal = 0x1p-126F;

  static float value(Bits bits) { return std::bit_cast<float>(bits); }
  static Bits bits(float value) { return std::bit_cast<Bits>(value); }
  static float round(float x) { return x; }
};

/// FP8 E4M3 without infinities (OCP 8-bit floating point, "E4M3"): largest 448, NaN 0x7F.
inline constexpr float kLargestE4m3 = 448;

/// The nearest, ties to even; |x| above 464 is NaN, as in a conversion that does not saturate.
inline std::uint8_t e4m3_bits(float x) {
  const auto all = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = all >> 24U & 0x80U, rest = all & 0x7FFFFFFFU;
  if (!(std::fabs(x) <= 464)) return static_cast<std::uint8_t>(sign | 0x7FU);
  if (rest < 0x3C800000U)  // below 2^-6: in steps of 2^-9, the last digit of a float from 2^14 on
    return static_cast<std::uint8_t>(
        sign | (std::bit_cast<std::uint32_t>(std::bit_cast<float>(rest) + 0x1p14F) & 0xFU));
  return static_cast<std::uint8_t>(
      sign | (((rest + 0x7FFFFU + (rest >> 20U & 1U)) >> 20U) - ((127U - 7U) << 3U)));
}

inline float e4m3_value(std::uint8_t bits) {
  const std::uint32_t sign = (bits & 0x80U) << 24U, rest = bits & 0x7FU;
  if (rest == 0x7FU) return std::numeric_limits<float>::quiet_NaN();
  // Read as a float it is too small by the difference of the biases.
  return std::bit_cast<float>(
      sign | std::bit_cast<std::uint32_t>(std::bit_cast<float>(rest << 20U) * 0x1p120F));
}

/// FP4 E2M1: a sign bit over one of these.
inline constexpr float kFp4Magnitudes[] = {0, 0.5F, 1, 1.5F, 2, 3, 4, 6};
inline constexpr float kLargestFp4 = 6;

/// The nearest, ties to the even mantissa; what is larger than 6 becomes 6. A zero of either sign
/// is code 0, a negative number that rounds to zero is code 8 (compressed-tensors, nvfp4 helpers).
inline std::uint8_t fp4_code(float x) {
  const float y = std::fabs(x);
  const int index = (y > 0.25F) + (y >= 0.75F) + (y > 1.25F) + (y >= 1.75F) + (y > 2.5F) +
                    (y >= 3.5F) + (y > 5.0F);
  return static_cast<std::uint8_t>((x < 0 ? 8 : 0) | index);
}

inline float fp4_value(std::uint8_t code) {
  const float magnitude = kFp4Magnitudes[code & 7U];
  return (code & 8U) != 0 ? -magnitude : magnitude;
}

}  // namespace dray::quantize
