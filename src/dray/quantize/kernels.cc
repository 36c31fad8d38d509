#include "dray/quantize/kernels.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "dray/base/error.h"

// This file is compiled once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dray/quantize/kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace dray::quantize::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// At most 16 lanes: the smallest group.
using Floats = hn::CappedTag<float, 16>;
using Words = hn::RebindToUnsigned<Floats>;
using Halves = hn::Rebind<std::uint16_t, Floats>;
using Bytes8 = hn::Rebind<std::uint8_t, Floats>;
using VF = hn::Vec<Floats>;
using VW = hn::Vec<Words>;

HWY_INLINE std::size_t lanes() { return hn::Lanes(Floats()); }
HWY_INLINE VF splat(float x) { return hn::Set(Floats(), x); }
HWY_INLINE VW splat_bits(std::uint32_t x) { return hn::Set(Words(), x); }
HWY_INLINE VW bits_of(VF x) { return hn::BitCast(Words(), x); }
HWY_INLINE VF from_bits(VW x) { return hn::BitCast(Floats(), x); }

/// The nearest multiple of 2^(-23) times `magic`, ties to even; 0 <= x < magic.
HWY_INLINE VF nearest(VF x, VF magic) { return hn::Sub(hn::Add(x, magic), magic); }

/// Rounds the mantissa to `keep` bits, ties to even. For normal numbers.
template <int keep>
HWY_INLINE VW rounded(VW bits) {
  constexpr int drop = 23 - keep;
  const VW odd = hn::And(hn::ShiftRight<drop>(bits), splat_bits(1));
  return hn::Add(hn::Add(bits, splat_bits((1U << (drop - 1)) - 1)), odd);
}

template <typename T>
HWY_INLINE VF load(const std::byte* from) {
  if constexpr (std::is_same_v<T, F32>) {
    return hn::LoadU(Floats(), reinterpret_cast<const float*>(from));
  } else {
    const VW all =
        hn::PromoteTo(Words(), hn::LoadU(Halves(), reinterpret_cast<const std::uint16_t*>(from)));
    if constexpr (std::is_same_v<T, Bf16>) return from_bits(hn::ShiftLeft<16>(all));
    const VW sign = hn::ShiftLeft<16>(hn::And(all, splat_bits(0x8000)));
    const VW rest = hn::ShiftLeft<13>(hn::And(all, splat_bits(0x7FFF)));
    return from_bits(hn::Or(sign, bits_of(hn::Mul(from_bits(rest), splat(0x1p112F)))));
  }
}

/// As T::round, but for infinities, which what comes next cuts off alike.
template <typename T>
HWY_INLINE VF round_to(VF x) {
  if constexpr (std::is_same_v<T, F32>) return x;
  if constexpr (std::is_same_v<T, Bf16>)
    return from_bits(hn::And(rounded<7>(bits_of(x)), splat_bits(0xFFFF0000)));
  const VF normal = from_bits(hn::And(rounded<10>(bits_of(x)), splat_bits(0xFFFFE000)));
  const VF size = hn::Abs(x);
  const VF small = hn::CopySign(nearest(size, splat(0.5F)), x);
  return hn::IfThenElse(hn::Lt(size, splat(0x1p-14F)), small, normal);
}

struct Run {  // of elements with one scale
  float scale = 1;
  float inverse = 0;  // of the scale, where a product has the same result as the division; else 0
  float zero_point = 0;
};

/// Codes in the low bytes, and what they mean, in units of the scale (for integers with the zero
/// point in it).
struct Coded {
  VW codes;
  VF values;
};

struct Int {
  float least, most;
  std::uint32_t flip;  // the highest bit, where packing adds that much
  HWY_INLINE Coded operator()(VF x) const {
    const VF magic = splat(0x1.8p23F);  // the low bits of the sum are the integer
    const VF sum = hn::Add(hn::Min(hn::Max(x, splat(least)), splat(most)), magic);
    return {hn::Xor(bits_of(sum), splat_bits(flip)), hn::Sub(sum, magic)};
  }
};

struct Fp8 {
  HWY_INLINE Coded operator()(VF x) const {
    x = hn::Min(hn::Max(x, splat(-kLargestE4m3)), splat(kLargestE4m3));
    const VW sign = hn::And(bits_of(x), splat_bits(0x80000000));
    const VF size = hn::Abs(x);
    const VW normal = rounded<3>(bits_of(size));
    const VF sum = hn::Add(size, splat(0x1p14F));  // in steps of 2^-9
    const auto small = hn::Lt(size, splat(0x1p-6F));
    const VW codes =
        hn::IfThenElse(hn::RebindMask(Words(), small), hn::And(bits_of(sum), splat_bits(0xF)),
                       hn::Sub(hn::ShiftRight<20>(normal), splat_bits((127 - 7) << 3)));
    const VF values = hn::IfThenElse(small, hn::Sub(sum, splat(0x1p14F)),
                                     from_bits(hn::And(normal, splat_bits(0xFFF00000))));
    return {hn::Or(codes, hn::ShiftRight<24>(sign)), from_bits(hn::Or(bits_of(values), sign))};
  }
};

struct Fp4 {
  HWY_INLINE Coded operator()(VF x) const {
    x = hn::Min(hn::Max(x, splat(-kLargestFp4)), splat(kLargestFp4));
    const VF size = hn::Abs(x);
    const VW normal = rounded<1>(bits_of(size));
    const VF sum = hn::Add(size, splat(0x1p22F));  // in steps of one half
    const auto small = hn::Lt(size, splat(1));
    const VW index =
        hn::IfThenElse(hn::RebindMask(Words(), small), hn::And(bits_of(sum), splat_bits(3)),
                       hn::Sub(hn::ShiftRight<22>(normal), splat_bits(252)));
    const VF values = hn::IfThenElse(small, hn::Sub(sum, splat(0x1p22F)),
                                     from_bits(hn::And(normal, splat_bits(0xFFC00000))));
    // A zero of either sign is code 0.
    const VW negative = hn::VecFromMask(Words(), hn::RebindMask(Words(), hn::Lt(x, splat(0))));
    return {hn::Or(index, hn::And(negative, splat_bits(8))), hn::CopySign(values, x)};
  }
};

struct Sums {
  VF weights, restored, differences;
  HWY_INLINE void add(VF weight, VF value) {
    const VF difference = hn::Sub(weight, value);
    weights = hn::MulAdd(weight, weight, weights);
    restored = hn::MulAdd(value, value, restored);
    differences = hn::MulAdd(difference, difference, differences);
  }
  HWY_INLINE void add_to(Squares& squares) const {
    squares.weights += sum(weights);
    squares.restored += sum(restored);
    squares.differences += sum(differences);
  }

 private:
  static HWY_INLINE double sum(VF x) { return hn::GetLane(hn::SumOfLanes(Floats(), x)); }
};

HWY_INLINE Sums no_sums() { return {hn::Zero(Floats()), hn::Zero(Floats()), hn::Zero(Floats())}; }

/// One vector: a product or a quotient, each step rounded as in the weights' format.
template <typename T, bool multiplies, bool rounds, bool shifts, typename Coder>
HWY_INLINE VW code_vector(const Coder& coder, const Run& run, VF x, Sums& sums) {
  VF scaled = multiplies ? hn::Mul(x, splat(run.inverse)) : hn::Div(x, splat(run.scale));
  if constexpr (rounds) scaled = round_to<T>(scaled);
  if constexpr (shifts) scaled = round_to<T>(hn::Add(scaled, splat(run.zero_point)));
  const Coded coded = coder(scaled);
  VF value = coded.values;
  if constexpr (shifts) value = hn::Sub(value, splat(run.zero_point));
  sums.add(x, hn::Mul(value, splat(run.scale)));
  return coded.codes;
}

HWY_INLINE void store_bytes(VW codes, std::uint8_t* out) {
  hn::StoreU(hn::TruncateTo(Bytes8(), codes), Bytes8(), out);
}

/// A byte for each element.
template <typename T, bool multiplies, bool rounds, bool shifts, typename Coder>
HWY_INLINE void code_bytes_of(const Coder& coder, const Run& run, const std::byte* from,
                              std::size_t count, std::uint8_t* out, Sums& sums) {
  constexpr std::size_t size = sizeof(typename T::Bits);
  const std::size_t step = lanes();
  std::size_t i = 0;
  for (; i + step <= count; i += step)
    store_bytes(
        code_vector<T, multiplies, rounds, shifts>(coder, run, load<T>(from + i * size), sums),
        out + i);
  if (i == count) return;
  // What does not fill a vector. Zeros add nothing to the sums.
  std::array<std::byte, 16 * size> rest{};
  std::array<std::uint8_t, 16> codes{};
  std::memcpy(rest.data(), from + i * size, (count - i) * size);
  store_bytes(code_vector<T, multiplies, rounds, shifts>(coder, run, load<T>(rest.data()), sums),
              codes.data());
  std::memcpy(out + i, codes.data(), count - i);
}

/// Two codes a byte, the first in the low half. Returns how many bytes were written.
HWY_INLINE std::size_t store_nibbles(VW codes, std::uint8_t* out) {
#if HWY_TARGET == HWY_SCALAR
  (void)codes, (void)out;
  return 0;
#else
  using Pairs = hn::RepartitionToWide<Words>;
  using Packed = hn::Rebind<std::uint8_t, Pairs>;
  const auto masked = hn::And(codes, splat_bits(0xF));
  const auto both = hn::BitCast(Pairs(), masked);
  hn::StoreU(hn::TruncateTo(Packed(), hn::Or(both, hn::ShiftRight<28>(both))), Packed(), out);
  return hn::Lanes(Pairs());
#endif
}

/// `count` is even.
template <typename T, bool multiplies, bool rounds, bool shifts, typename Coder>
HWY_INLINE void code_nibbles_of(const Coder& coder, const Run& run, const std::byte* from,
                                std::size_t count, std::uint8_t* out, Sums& sums) {
  constexpr std::size_t size = sizeof(typename T::Bits);
  std::size_t i = 0;
  if (lanes() > 1) {
    const std::size_t step = lanes();
    for (; i + step <= count; i += step)
      out += store_nibbles(
          code_vector<T, multiplies, rounds, shifts>(coder, run, load<T>(from + i * size), sums),
          out);
  }
  for (; i < count; i += 2) {
    std::array<std::uint8_t, 2> codes{};
    code_bytes_of<T, multiplies, rounds, shifts>(coder, run, from + i * size, 2, codes.data(),
                                                 sums);
    *out++ = static_cast<std::uint8_t>((codes[0] & 0xFU) | (codes[1] & 0xFU) << 4U);
  }
}

template <typename T, bool multiplies, bool rounds, bool shifts, typename Coder>
HWY_INLINE void code_as(const CodeRule& rule, const Coder& coder, const Run& run,
                        const std::byte* from, std::size_t count, std::uint8_t* out, Sums& sums) {
  if (rule.bits == 8)
    return code_bytes_of<T, multiplies, rounds, shifts>(coder, run, from, count, out, sums);
  code_nibbles_of<T, multiplies, rounds, shifts>(coder, run, from, count, out, sums);
}

/// Rounds the quotient into the weights' format first.
template <typename T, bool shifts, typename Coder>
HWY_INLINE void code_rounded(const CodeRule& rule, const Coder& coder, const Run& run,
                             const std::byte* from, std::size_t count, std::uint8_t* out,
                             Sums& sums) {
  if (run.inverse != 0)
    return code_as<T, true, true, shifts>(rule, coder, run, from, count, out, sums);
  code_as<T, false, true, shifts>(rule, coder, run, from, count, out, sums);
}

template <typename T>
HWY_INLINE void code_run(const CodeRule& rule, const Run& run, const std::byte* from,
                         std::size_t count, std::uint8_t* out, Sums& sums) {
  if (rule.element == Element::fp8)
    return code_rounded<T, false>(rule, Fp8(), run, from, count, out, sums);
  if (rule.element == Element::fp4) {
    if (rule.scale == ScaleFormat::e8m0)
      return code_rounded<T, false>(rule, Fp4(), run, from, count, out, sums);
    return code_as<T, false, false, false>(rule, Fp4(), run, from, count, out, sums);
  }
  const float half = rule.bits == 4 ? 8 : 128;
  const Int coder{-half, half - 1, rule.packed ? static_cast<std::uint32_t>(half) : 0U};
  if (rule.symmetric) return code_rounded<T, false>(rule, coder, run, from, count, out, sums);
  code_rounded<T, true>(rule, coder, run, from, count, out, sums);
}

/// The greatest of the lanes of 16 or 32 bits, signed or not.
template <typename D>
HWY_INLINE hn::TFromD<D> greatest(D d, hn::Vec<D> lanes) {
  using Lane = hn::TFromD<D>;
  if constexpr (sizeof(Lane) == 4 || hn::MaxLanes(D()) == 1) {
    return hn::GetLane(hn::MaxOfLanes(d, lanes));
  } else {
    using Wide = std::conditional_t<std::is_signed_v<Lane>, std::int32_t, std::uint32_t>;
    const hn::Repartition<Wide, D> wide;
    const auto both = hn::BitCast(wide, lanes);
    const auto high = hn::ShiftRight<16>(both), low = hn::ShiftRight<16>(hn::ShiftLeft<16>(both));
    return static_cast<Lane>(hn::GetLane(hn::MaxOfLanes(wide, hn::Max(high, low))));
  }
}

/// Least and greatest of the elements and 0. As bits, positive numbers are ordered as signed
/// integers, and negative ones, reversed, as unsigned. With `magnitude`: 0 and the largest
/// magnitude.
template <typename T, bool magnitude>
HWY_INLINE MinMax bounds(const std::byte* from, std::size_t count) {
  using Bits = typename T::Bits;
  using Signed = std::make_signed_t<Bits>;
  constexpr Bits sign = Bits{1} << (8 * sizeof(Bits) - 1);
  const hn::CappedTag<Bits, 16> d;
  const hn::RebindToSigned<decltype(d)> ds;
  const std::size_t step = hn::Lanes(d);
  const auto rest = hn::Set(d, static_cast<Bits>(sign - 1));
  auto high = hn::Zero(ds);
  auto low = hn::Zero(d);
  std::size_t i = 0;
  for (; i + step <= count; i += step) {
    const auto v = hn::LoadU(d, reinterpret_cast<const Bits*>(from + i * sizeof(Bits)));
    if constexpr (magnitude) {
      high = hn::Max(high, hn::BitCast(ds, hn::And(v, rest)));
    } else {
      high = hn::Max(high, hn::BitCast(ds, v));
      low = hn::Max(low, v);
    }
  }
  Signed most = greatest(ds, high);
  Bits least = magnitude ? Bits{0} : greatest(d, low);
  for (; i < count; ++i) {
    Bits bits;
    std::memcpy(&bits, from + i * sizeof(Bits), sizeof(Bits));
    if constexpr (magnitude) bits = static_cast<Bits>(bits & (sign - 1));
    most = std::max(most, static_cast<Signed>(bits));
    least = std::max(least, bits);
  }
  return {least >= sign ? T::value(least) : 0.0F, T::value(static_cast<Bits>(most))};
}

template <typename T>
HWY_INLINE MinMax bounds_for(const CodeRule& rule, const std::byte* from, std::size_t count) {
  return rule.symmetric ? bounds<T, true>(from, count) : bounds<T, false>(from, count);
}

/// 2^(bits - 127), also below the normal numbers.
HWY_INLINE float power_of_two(int bits) {
  return std::bit_cast<float>(bits > 0 ? static_cast<std::uint32_t>(bits) << 23U
                                       : 0x00400000U >> static_cast<unsigned>(-bits));
}

/// Writes the scale of a group and says how its elements are made into codes.
template <typename T>
HWY_INLINE Run scale_of(const CodeRule& rule, const MinMax& seen, std::byte* scale) {
  const auto store = [&](auto bits) { std::memcpy(scale, &bits, sizeof(bits)); };
  Run out;
  if (rule.scale == ScaleFormat::e8m0) {
    const std::uint8_t bits = mx_scale<T>(seen, rule.element);
    store(bits);
    out.scale = power_of_two(bits);
    out.inverse = power_of_two(254 - bits);
    return out;
  }
  if (rule.scale == ScaleFormat::e4m3) {
    const std::uint8_t bits = nvfp4_scale<T>(seen, rule.global);
    store(bits);
    out.scale = e4m3_value(bits) / rule.global;
    return out;
  }
  if (rule.element == Element::fp8) {
    out.scale = fp8_scale<T>(seen);
  } else {
    const IntParams params = int_params<T>(seen, rule.bits, rule.symmetric);
    out.scale = params.scale;
    out.zero_point = static_cast<float>(params.zero_point);
  }
  store(T::bits(out.scale));
  // Of two bf16 numbers the quotient and the product with the reciprocal round to the same bf16
  // number; a test goes through all mantissas.
  if (std::is_same_v<T, Bf16> && out.scale >= 0x1p-100F && out.scale <= 0x1p100F)
    out.inverse = 1 / out.scale;
  return out;
}

/// The scale of elements within these bounds; of elements that are not finite any scale will do.
template <typename T>
HWY_INLINE Run scale_of_seen(const CodeRule& rule, const MinMax& here, std::byte* scale,
                             Seen& seen) {
  seen.bounds.min = std::min(seen.bounds.min, here.min);
  seen.bounds.max = std::max(seen.bounds.max, here.max);
  if (std::isfinite(here.min) && std::isfinite(here.max)) return scale_of<T>(rule, here, scale);
  seen.finite = false;
  return scale_of<T>(rule, {}, scale);
}

template <typename T>
void groups_of(const CodeRule& rule, const std::byte* from, std::size_t groups, std::size_t group,
               std::byte* codes, std::byte* scales, std::int8_t* zero_points, Seen& seen) {
  const std::size_t in = group * sizeof(typename T::Bits), out = code_bytes(rule, group),
                    scale = scale_bytes(rule);
  // The scales of some groups first, so that none waits for the divisions of its own; not more
  // elements than sums of floats are exact enough for.
  constexpr std::size_t kMost = 16, kElements = 8192;
  const std::size_t batch = std::clamp<std::size_t>(kElements / group, 1, kMost);
  std::array<Run, kMost> runs;
  for (std::size_t g = 0; g < groups; g += batch) {
    const std::size_t now = std::min(batch, groups - g);
    for (std::size_t i = 0; i < now; ++i)
      runs[i] = scale_of_seen<T>(rule, bounds_for<T>(rule, from + (g + i) * in, group),
                                 scales + (g + i) * scale, seen);
    if (zero_points != nullptr)
      for (std::size_t i = 0; i < now; ++i)
        zero_points[g + i] = static_cast<std::int8_t>(runs[i].zero_point);
    Sums sums = no_sums();
    for (std::size_t i = 0; i < now; ++i)
      code_run<T>(rule, runs[i], from + (g + i) * in, group,
                  reinterpret_cast<std::uint8_t*>(codes + (g + i) * out), sums);
    sums.add_to(seen.squares);
  }
}

template <typename T>
void run_of(const CodeRule& rule, const std::byte* from, std::size_t count, const MinMax& shared,
            std::byte* codes, std::byte* scale, Seen& seen) {
  const Run run = scale_of_seen<T>(rule, shared, scale, seen);
  Sums sums = no_sums();
  code_run<T>(rule, run, from, count, reinterpret_cast<std::uint8_t*>(codes), sums);
  sums.add_to(seen.squares);
}

// By the format of the weights.

void QuantizeGroups(const CodeRule& rule, const std::byte* from, std::size_t groups,
                    std::size_t group, std::byte* codes, std::byte* scales,
                    std::int8_t* zero_points, Seen& seen) {
  if (rule.weights == WeightFormat::bf16)
    return groups_of<Bf16>(rule, from, groups, group, codes, scales, zero_points, seen);
  if (rule.weights == WeightFormat::f16)
    return groups_of<F16>(rule, from, groups, group, codes, scales, zero_points, seen);
  groups_of<F32>(rule, from, groups, group, codes, scales, zero_points, seen);
}

void EncodeRun(const CodeRule& rule, const std::byte* from, std::size_t count, const MinMax& shared,
               std::byte* codes, std::byte* scale, Seen& seen) {
  if (rule.weights == WeightFormat::bf16)
    return run_of<Bf16>(rule, from, count, shared, codes, scale, seen);
  if (rule.weights == WeightFormat::f16)
    return run_of<F16>(rule, from, count, shared, codes, scale, seen);
  run_of<F32>(rule, from, count, shared, codes, scale, seen);
}

MinMax BoundsOf(WeightFormat weights, const std::byte* from, std::size_t count) {
  if (weights == WeightFormat::bf16) return bounds<Bf16, false>(from, count);
  if (weights == WeightFormat::f16) return bounds<F16, false>(from, count);
  return bounds<F32, false>(from, count);
}

}  // namespace dray::quantize::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dray::quantize {

HWY_EXPORT(QuantizeGroups);
HWY_EXPORT(EncodeRun);
HWY_EXPORT(BoundsOf);

WeightFormat weight_format(std::string_view dtype) {
  if (dtype == "BF16") return WeightFormat::bf16;
  if (dtype == "F16") return WeightFormat::f16;
  if (dtype == "F32") return WeightFormat::f32;
  throw Error(Code::internal, "not a format that is quantized").on("compress", std::string(dtype));
}

CodeRule rule_of(const Scheme& scheme, WeightFormat weights) {
  return {.weights = weights,
          .element = scheme.element,
          .bits = scheme.bits,
          .symmetric = scheme.symmetric,
          .scale = scheme.scale,
          .packed = scheme.format == "pack-quantized"};
}

std::size_t code_bytes(const CodeRule& rule, std::size_t elements) {
  return elements * static_cast<std::size_t>(rule.bits) / 8;
}

std::size_t scale_bytes(const CodeRule& rule) {
  return rule.scale == ScaleFormat::weights ? bytes_of(rule.weights) : 1;
}

void quantize_groups(const CodeRule& rule, const std::byte* elements, std::size_t groups,
                     std::size_t group, std::byte* codes, std::byte* scales,
                     std::int8_t* zero_points, Seen& seen) {
  HWY_DYNAMIC_DISPATCH(QuantizeGroups)
  (rule, elements, groups, group, codes, scales, zero_points, seen);
}

void encode_run(const CodeRule& rule, const std::byte* elements, std::size_t count,
                const MinMax& shared, std::byte* codes, std::byte* scale, Seen& seen) {
  HWY_DYNAMIC_DISPATCH(EncodeRun)(rule, elements, count, shared, codes, scale, seen);
}

MinMax bounds_of(WeightFormat weights, const std::byte* elements, std::size_t count) {
  return HWY_DYNAMIC_DISPATCH(BoundsOf)(weights, elements, count);
}

}  // namespace dray::quantize
#endif
