#include "dray/quantize/kernels.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace dray::quantize {
namespace {

/// Each instruction set that this machine has, one after another.
template <typename Work>
void on_every_target(Work&& work) {
  const std::int64_t all = hwy::SupportedTargets();
  for (std::int64_t left = all & HWY_TARGETS; left != 0; left &= left - 1) {
    const std::int64_t target = left & -left;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
    SCOPED_TRACE(hwy::TargetName(target));
    work();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

template <typename T>
constexpr WeightFormat kFormatOf = std::is_same_v<T, Bf16>  ? WeightFormat::bf16
                                   : std::is_same_v<T, F16> ? WeightFormat::f16
                                                            : WeightFormat::f32;

template <typename T>
using Elements = std::vector<typename T::Bits>;

struct Output {
  std::vector<std::byte> codes, scales;
  std::vector<std::int8_t> zero_points;
  bool operator==(const Output&) const = default;
};

template <typename T>
Output by_reference(const CodeRule& rule, const Elements<T>& elements, std::size_t group) {
  Output out;
  std::vector<std::uint8_t> codes;
  const auto scale = [&](auto bits) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&bits);
    out.scales.insert(out.scales.end(), bytes, bytes + sizeof(bits));
  };
  for (std::size_t at = 0; at < elements.size(); at += group) {
    const std::span<const typename T::Bits> here(elements.data() + at, group);
    const MinMax seen = min_max<T>(here);
    const auto each = [&](auto&& code) {
      for (const auto bits : here) codes.push_back(static_cast<std::uint8_t>(code(T::value(bits))));
    };
    if (rule.scale == ScaleFormat::e8m0) {
      const auto bits = mx_scale<T>(seen, rule.element);
      scale(bits);
      each([&](float x) { return mx_code<T>(x, bits, rule.element); });
    } else if (rule.scale == ScaleFormat::e4m3) {
      const auto bits = nvfp4_scale<T>(seen, rule.global);
      scale(bits);
      each([&](float x) { return nvfp4_code(x, bits, rule.global); });
    } else if (rule.element == Element::fp8) {
      const float s = fp8_scale<T>(seen);
      scale(T::bits(s));
      each([&](float x) { return fp8_code<T>(x, s); });
    } else {
      const IntParams params = int_params<T>(seen, rule.bits, rule.symmetric);
      scale(T::bits(params.scale));
      if (!rule.symmetric) out.zero_points.push_back(static_cast<std::int8_t>(params.zero_point));
      const int offset = rule.packed ? 1 << (rule.bits - 1) : 0;
      each([&](float x) { return int_code<T>(x, params, rule.bits, rule.symmetric) + offset; });
    }
  }
  for (std::size_t i = 0; i < codes.size(); i += rule.bits == 4 ? 2 : 1)
    out.codes.push_back(
        static_cast<std::byte>(rule.bits == 4 ? codes[i] | codes[i + 1] << 4 : codes[i]));
  return out;
}

template <typename T>
Output by_kernel(const CodeRule& rule, const Elements<T>& elements, std::size_t group, Seen& seen,
                 std::size_t misaligned = 1) {
  // At an odd address, as a slice of a file may be.
  std::vector<std::byte> bytes(misaligned + elements.size() * sizeof(typename T::Bits));
  std::memcpy(bytes.data() + misaligned, elements.data(), bytes.size() - misaligned);
  const std::size_t groups = elements.size() / group;
  Output out{std::vector<std::byte>(code_bytes(rule, elements.size())),
             std::vector<std::byte>(groups * scale_bytes(rule)),
             std::vector<std::int8_t>(rule.symmetric ? 0 : groups)};
  quantize_groups(rule, bytes.data() + misaligned, groups, group, out.codes.data(),
                  out.scales.data(), rule.symmetric ? nullptr : out.zero_points.data(), seen);
  return out;
}

std::vector<std::pair<std::string, std::size_t>> schemes_and_groups() {
  std::vector<std::pair<std::string, std::size_t>> out;
  for (const std::string& name : scheme_names()) {
    const auto group = static_cast<std::size_t>(find_scheme(name).group);
    if (group != 0)
      out.emplace_back(name, group);
    else
      for (const std::size_t columns : {1, 7, 16, 130, 577}) out.emplace_back(name, columns);
  }
  for (const std::size_t group : {32, 64, 1024}) out.emplace_back("W4A16", group);
  return out;
}

/// Weights of all sizes, and what is rare: zeros, groups without a sign, one that is large among
/// tiny ones, the smallest and the largest numbers.
template <typename T>
Elements<T> elements_of(std::size_t groups, std::size_t group, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Elements<T> out;
  const float largest =
      T::value(static_cast<typename T::Bits>(T::bits(std::numeric_limits<float>::infinity()) - 1));
  for (std::size_t g = 0; g < groups; ++g) {
    const float size = std::ldexp(1.0F, static_cast<int>(random() % 24) - 20);
    const auto kind = random() % 12;
    for (std::size_t i = 0; i < group; ++i) {
      float x = normal(random) * size;
      if (kind == 0) x = i % 3 == 0 ? -0.0F : 0.0F;
      if (kind == 1) x = std::fabs(x);
      if (kind == 2) x = -std::fabs(x);
      if (kind == 3) x = i == group / 2 ? 1.0F : x * 1e-6F;
      if (kind == 4) x = normal(random) * T::kSmallestNormal;
      if (kind == 5) x = (i % 2 == 0 ? 0.25F : -0.25F) * largest;
      if (kind == 6) x = static_cast<float>(static_cast<int>(random() % 16) - 8) * size;  // ties
      if (kind == 7) x = random() % 4 == 0 ? x : 0.0F;
      out.push_back(T::bits(x));
    }
  }
  return out;
}

template <typename T>
struct Kernels : testing::Test {};
using Formats = testing::Types<Bf16, F16, F32>;
TYPED_TEST_SUITE(Kernels, Formats);

TYPED_TEST(Kernels, EqualTheReferenceOnEveryTarget) {
  using T = TypeParam;
  std::uint32_t seed = 1;
  for (const auto& [name, group] : schemes_and_groups()) {
    SCOPED_TRACE(testing::Message() << name << " in groups of " << group);
    CodeRule rule = rule_of(find_scheme(name), kFormatOf<T>);
    const Elements<T> elements = elements_of<T>(100, group, ++seed);
    rule.global =
        rule.scale == ScaleFormat::e4m3 ? nvfp4_global<T>(min_max<T>(elements).largest()) : 1.0F;
    const Output expected = by_reference<T>(rule, elements, group);
    on_every_target([&] {
      Seen seen;
      const Output made = by_kernel<T>(rule, elements, group, seen);
      EXPECT_TRUE(seen.finite);
      EXPECT_EQ(seen.bounds.largest(), min_max<T>(elements).largest());
      ASSERT_EQ(made, expected);
    });
  }
}

TYPED_TEST(Kernels, RunsOfASharedScaleEqualTheWhole) {
  using T = TypeParam;
  const CodeRule rule = rule_of(find_scheme("FP8_BLOCK"), kFormatOf<T>);
  const Elements<T> elements = elements_of<T>(1, 300, 5);
  const Output expected = by_reference<T>(rule, elements, elements.size());
  const auto* bytes = reinterpret_cast<const std::byte*>(elements.data());
  constexpr std::size_t size = sizeof(typename T::Bits);
  on_every_target([&] {
    Seen seen;
    Output made{std::vector<std::byte>(300), std::vector<std::byte>(size), {}};
    MinMax all;
    for (const auto& [from, count] : {std::pair<std::size_t, std::size_t>{0, 100}, {100, 200}}) {
      const MinMax here = bounds_of(rule.weights, bytes + from * size, count);
      all = {std::min(all.min, here.min), std::max(all.max, here.max)};
    }
    for (std::size_t from = 0; from < 300; from += 100)
      encode_run(rule, bytes + from * size, 100, all, made.codes.data() + from, made.scales.data(),
                 seen);
    EXPECT_EQ(made, expected);
  });
}

TYPED_TEST(Kernels, SeeWhatIsNotFinite) {
  using T = TypeParam;
  for (const float bad : {std::nanf(""), -std::nanf(""), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()})
    for (const std::size_t at : {0, 63, 127})
      for (const std::string& name : scheme_names()) {
        Elements<T> elements(128, T::bits(1));
        elements[at] = T::bits(bad);
        on_every_target([&] {
          Seen seen;
          by_kernel<T>(rule_of(find_scheme(name), kFormatOf<T>), elements, 16 * 8, seen);
          EXPECT_FALSE(seen.finite) << name << bad << at;
        });
      }
}

TYPED_TEST(Kernels, SumWhatIsLost) {
  using T = TypeParam;
  // Groups whose elements are codes already lose nothing, the others half a step at most.
  const CodeRule rule = rule_of(find_scheme("W8A16"), kFormatOf<T>);
  Elements<T> exact, other;
  for (int i = 0; i < 128; ++i) {
    exact.push_back(T::bits(i % 2 == 0 ? 0.0F : 0.0F));
    other.push_back(T::bits(std::sin(static_cast<float>(i))));
  }
  Seen none, some;
  by_kernel<T>(rule, exact, 128, none);
  EXPECT_EQ(none.squares.differences, 0);
  by_kernel<T>(rule, other, 128, some);
  double weights = 0;
  for (const auto bits : other) weights += std::pow(T::value(bits), 2);
  EXPECT_NEAR(some.squares.weights, weights, 1e-3);
  const double error = std::sqrt(some.squares.differences / some.squares.weights);
  EXPECT_GT(error, 1e-3);
  EXPECT_LT(error, 6e-3);
  EXPECT_NEAR(some.squares.restored, some.squares.weights, 0.01 * weights);
}

/// The kernels multiply with the reciprocal where the weights are BF16.
TEST(KernelsBf16, AReciprocalRoundsAsTheQuotientForAllMantissas) {
  for (std::uint32_t x = 0; x < 128; ++x)
    for (std::uint32_t s = 0; s < 128; ++s)
      for (const int exponent : {-100, -8, -1, 0, 1, 7, 100}) {
        const float weight = Bf16::value(static_cast<Bf16::Bits>(0x3F80 + x));
        const float scale = std::ldexp(Bf16::value(static_cast<Bf16::Bits>(0x3F80 + s)), exponent);
        ASSERT_EQ(Bf16::bits(weight / scale), Bf16::bits(weight * (1 / scale)))
            << weight << " " << scale;
      }
}

}  // namespace
}  // namespace dray::quantize
