#include "dray/quantize/kernels.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/support/quantize_oracle.h"

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
constexpr const char* kDtypeOf = std::is_same_v<T, Bf16>  ? "BF16"
                                 : std::is_same_v<T, F16> ? "F16"
                                                          : "F32";

template <typename T>
using Elements = std::vector<typename T::Bits>;

struct Output {
  Buffer codes, scales;
  std::vector<std::int8_t> zero_points;
};

void expect_equal(const Output& made, const test::QuantizedWeight& expected) {
  EXPECT_EQ(made.codes, expected.codes);
  EXPECT_EQ(made.scales, expected.scales);
  EXPECT_TRUE(std::ranges::equal(made.zero_points, expected.zero_points));
}

/// Rows of `columns` each, as the scheme is defined.
template <typename T>
test::QuantizedWeight by_reference(const Scheme& scheme, const Elements<T>& elements,
                                   std::size_t columns, float global = 1) {
  return test::quantized(scheme, kDtypeOf<T>, elements.size() / columns, columns,
                         std::as_bytes(std::span(elements)), global);
}

template <typename T>
Output by_kernel(const CodeRule& rule, const Elements<T>& elements, std::size_t group, Seen& seen,
                 std::size_t misaligned = 1) {
  // At an odd address, as a slice of a file may be.
  std::vector<std::byte> bytes(misaligned + elements.size() * sizeof(typename T::Bits));
  std::memcpy(bytes.data() + misaligned, elements.data(), bytes.size() - misaligned);
  const std::size_t groups = elements.size() / group;
  Output out{Buffer(code_bytes(rule, elements.size())), Buffer(groups * scale_bytes(rule)),
             std::vector<std::int8_t>(rule.symmetric ? 0 : groups)};
  quantize_groups(rule, bytes.data() + misaligned, groups, group, out.codes.data(),
                  out.scales.data(), rule.symmetric ? nullptr : out.zero_points.data(), seen);
  return out;
}

/// With the length of a run that shares a scale. Blocks are for encode_run().
std::vector<std::pair<Scheme, std::size_t>> schemes_and_groups() {
  std::vector<std::pair<Scheme, std::size_t>> out;
  for (const std::string& name : scheme_names()) {
    const Scheme scheme = find_scheme(name);
    if (scheme.group != 0) out.emplace_back(scheme, static_cast<std::size_t>(scheme.group));
    if (scheme.sharing == Sharing::channel)
      for (const std::size_t columns : {1, 7, 16, 130, 577}) out.emplace_back(scheme, columns);
  }
  for (const std::size_t group : {32, 64, 1024})
    out.emplace_back(find_scheme("W4A16", {.group = group}), group);
  return out;
}

template <typename T>
CodeRule rule_for(const Scheme& scheme) {
  return rule_of(scheme, weight_format(kDtypeOf<T>));
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
  for (const auto& [scheme, group] : schemes_and_groups()) {
    SCOPED_TRACE(testing::Message() << scheme.name << " in groups of " << group);
    CodeRule rule = rule_for<T>(scheme);
    const Elements<T> elements = elements_of<T>(100, group, ++seed);
    const float largest = min_max<T>(elements).largest();
    if (rule.scale == ScaleFormat::e4m3) rule.global = nvfp4_global<T>(largest);
    const test::QuantizedWeight expected = by_reference<T>(scheme, elements, group, rule.global);
    on_every_target([&] {
      Seen seen;
      expect_equal(by_kernel<T>(rule, elements, group, seen), expected);
      EXPECT_TRUE(seen.finite);
      EXPECT_EQ(seen.bounds.largest(), largest);
    });
    if (this->HasFailure()) return;
  }
}

TYPED_TEST(Kernels, RunsOfASharedScaleEqualTheWhole) {
  using T = TypeParam;
  const CodeRule rule = rule_for<T>(find_scheme("FP8_BLOCK"));
  const Elements<T> elements = elements_of<T>(1, 300, 5);
  const auto expected = by_reference<T>(find_scheme("FP8_DYNAMIC"), elements, elements.size());
  const auto* bytes = reinterpret_cast<const std::byte*>(elements.data());
  constexpr std::size_t size = sizeof(typename T::Bits);
  on_every_target([&] {
    Seen seen;
    Output made{Buffer(300), Buffer(size), {}};
    MinMax all;
    for (const auto& [from, count] : {std::pair<std::size_t, std::size_t>{0, 100}, {100, 200}}) {
      const MinMax here = bounds_of(rule.weights, bytes + from * size, count);
      all = {std::min(all.min, here.min), std::max(all.max, here.max)};
    }
    for (std::size_t from = 0; from < 300; from += 100)
      encode_run(rule, bytes + from * size, 100, all, made.codes.data() + from, made.scales.data(),
                 seen);
    expect_equal(made, expected);
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
          by_kernel<T>(rule_for<T>(find_scheme(name)), elements, 16 * 8, seen);
          EXPECT_FALSE(seen.finite) << name << bad << at;
        });
      }
}

TYPED_TEST(Kernels, SumWhatIsLost) {
  using T = TypeParam;
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0.003F, 0.02F);
  for (const auto& [scheme, group] : schemes_and_groups()) {
    SCOPED_TRACE(testing::Message() << scheme.name << " in groups of " << group);
    Elements<T> elements(40 * group);
    for (auto& bits : elements) bits = T::bits(normal(random));
    CodeRule rule = rule_for<T>(scheme);
    if (rule.scale == ScaleFormat::e4m3)
      rule.global = nvfp4_global<T>(min_max<T>(elements).largest());
    const Squares expected = by_reference<T>(scheme, elements, group, rule.global).squares;
    on_every_target([&] {
      Seen seen;
      by_kernel<T>(rule, elements, group, seen);
      EXPECT_NEAR(seen.squares.weights, expected.weights, 1e-5 * expected.weights);
      EXPECT_NEAR(seen.squares.restored, expected.restored, 1e-5 * expected.restored);
      EXPECT_NEAR(seen.squares.differences, expected.differences, 1e-4 * expected.differences);
    });
  }
}

TYPED_TEST(Kernels, WeightsThatAreCodesLoseNothing) {
  using T = TypeParam;
  Elements<T> elements;  // all numbers of FP8, the largest of which makes the scale 1
  double squares = 0;
  for (int code = 0; code < 256; ++code) {
    if ((code & 0x7F) == 0x7F) continue;  // NaN
    const float x = e4m3_value(static_cast<std::uint8_t>(code));
    elements.push_back(T::bits(x));
    squares += static_cast<double>(x) * x;
  }
  on_every_target([&] {
    Seen seen;
    by_kernel<T>(rule_for<T>(find_scheme("FP8_DYNAMIC")), elements, elements.size(), seen);
    EXPECT_EQ(seen.squares.differences, 0);
    EXPECT_EQ(seen.squares.restored, seen.squares.weights);
    EXPECT_NEAR(seen.squares.weights, squares, 1e-5 * squares);
  });
}

TYPED_TEST(Kernels, TheLossOfAKnownGroup) {
  using T = TypeParam;
  // The largest magnitude is 7.5 steps: a step is 1, and only that element, which becomes -8,
  // loses.
  Elements<T> elements(32, T::bits(3));
  elements[5] = T::bits(-7.5F);
  on_every_target([&] {
    Seen seen;
    by_kernel<T>(rule_for<T>(find_scheme("W4A16", {.group = 32})), elements, 32, seen);
    EXPECT_EQ(seen.squares.weights, 31 * 9 + 56.25);
    EXPECT_EQ(seen.squares.restored, 31 * 9 + 64);
    EXPECT_EQ(seen.squares.differences, 0.25);
  });
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
