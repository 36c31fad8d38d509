#include "dray/quantize/reference.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

namespace dray::quantize {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

// ---- formats ----

template <typename T>
struct Floats : testing::Test {};
using Formats = testing::Types<Bf16, F16>;
TYPED_TEST_SUITE(Floats, Formats);

TYPED_TEST(Floats, EveryElementComesBack) {
  for (std::uint32_t i = 0; i < 0x10000; ++i) {
    const auto bits = static_cast<typename TypeParam::Bits>(i);
    const float value = TypeParam::value(bits);
    if (std::isnan(value))
      EXPECT_TRUE(std::isnan(TypeParam::value(TypeParam::bits(value)))) << i;
    else
      EXPECT_EQ(TypeParam::bits(value), bits) << value;
  }
}

TYPED_TEST(Floats, TheNearestIsTakenAndOfTwoTheEven) {
  // Every pair of neighbours below the largest, both signs by symmetry.
  for (std::uint32_t i = 0;
       std::isfinite(TypeParam::value(static_cast<typename TypeParam::Bits>(i + 1))); ++i) {
    const float low = TypeParam::value(static_cast<typename TypeParam::Bits>(i));
    const float high = TypeParam::value(static_cast<typename TypeParam::Bits>(i + 1));
    const float middle = low + (high - low) / 2;
    if (middle == low || middle == high) continue;  // below what a float tells apart
    EXPECT_EQ(TypeParam::round(middle), i % 2 == 0 ? low : high);
    EXPECT_EQ(TypeParam::round(std::nextafter(middle, 0.0F)), low);
    EXPECT_EQ(TypeParam::round(std::nextafter(middle, high)), high);
    EXPECT_EQ(TypeParam::round(-middle), -TypeParam::round(middle));
  }
}

TEST(FloatsF16, TooLargeIsInfinite) {
  EXPECT_EQ(F16::round(65519.0F), 65504.0F);
  EXPECT_TRUE(std::isinf(F16::round(65520.0F)));
  EXPECT_TRUE(std::isinf(F16::round(std::numeric_limits<float>::infinity())));
}

TEST(FloatsE4m3, EveryValueComesBackAndTiesGoToTheEven) {
  for (int i = 0; i < 0x7F; ++i) {
    const auto bits = static_cast<std::uint8_t>(i);
    const float value = e4m3_value(bits);
    EXPECT_EQ(e4m3_bits(value), bits);
    EXPECT_EQ(e4m3_bits(-value), bits | 0x80);
    if (i == 0x7E) continue;
    const float next = e4m3_value(static_cast<std::uint8_t>(i + 1)), middle = (value + next) / 2;
    EXPECT_EQ(e4m3_bits(middle), i % 2 == 0 ? i : i + 1) << middle;
    EXPECT_EQ(e4m3_bits(std::nextafter(middle, 0.0F)), i);
    EXPECT_EQ(e4m3_bits(std::nextafter(middle, 500.0F)), i + 1);
  }
  EXPECT_EQ(e4m3_value(0x7E), 448);
  EXPECT_EQ(e4m3_bits(464), 0x7E);
  EXPECT_EQ(e4m3_bits(465), 0x7F);
  EXPECT_EQ(e4m3_bits(std::nanf("")) & 0x7F, 0x7F);
}

TEST(FloatsFp4, TiesGoToTheEvenMantissaAndNegativeZeroIsZero) {
  const std::pair<float, int> cases[] = {{0, 0},     {0.25F, 0}, {0.26F, 1}, {0.74F, 1},
                                         {0.75F, 2}, {1.25F, 2}, {1.26F, 3}, {1.74F, 3},
                                         {1.75F, 4}, {2.5F, 4},  {2.51F, 5}, {3.49F, 5},
                                         {3.5F, 6},  {5, 6},     {5.01F, 7}, {6, 7}};
  for (const auto& [x, code] : cases) {
    EXPECT_EQ(fp4_code(x), code) << x;
    EXPECT_EQ(fp4_code(-x), x == 0 ? 0 : code | 8) << -x;
    EXPECT_EQ(fp4_code(fp4_value(static_cast<std::uint8_t>(code))), code);
  }
}

// ---- integers, against PyTorch's bf16 (the vectors of compressed-tensors' arithmetic) ----

using Row = std::vector<std::uint16_t>;
const Row kRow = {0xBD28, 0x3CA2, 0x3D38, 0xBD8E, 0xBC09, 0x3C6A, 0xBD03, 0xBD37,
                  0x3D3E, 0x3CDB, 0x3D6E, 0x3CBC, 0x3D11, 0x3D4F, 0x3C3D, 0x3D5F};

struct Quantized {
  std::vector<std::uint16_t> scales;
  std::vector<int> zero_points, codes;
  std::vector<std::uint32_t> packed;
};

Quantized quantized(const Row& row, std::size_t group, int bits, bool symmetric) {
  Quantized out;
  for (std::size_t at = 0; at < row.size(); at += group) {
    const std::span elements(row.data() + at, group);
    const IntParams params = int_params<Bf16>(min_max<Bf16>(elements), bits, symmetric);
    out.scales.push_back(Bf16::bits(params.scale));
    out.zero_points.push_back(params.zero_point);
    for (const auto element : elements)
      out.codes.push_back(int_code<Bf16>(Bf16::value(element), params, bits, symmetric));
  }
  out.packed.resize((row.size() * static_cast<std::size_t>(bits) + 31) / 32);
  pack_codes(out.codes, bits, out.packed);
  return out;
}

TEST(QuantizeReference, Int4Symmetric) {
  const Quantized got = quantized(kRow, 8, 4, true);
  EXPECT_THAT(got.scales, ElementsAre(0x3C17, 0x3BFE));
  EXPECT_THAT(got.codes, ElementsAre(-4, 2, 5, -8, -1, 2, -3, -5, 6, 3, 7, 3, 5, 7, 1, 7));
  EXPECT_THAT(got.packed, ElementsAre(0x35A70DA4U, 0xF9FDBFBEU));
}

TEST(QuantizeReference, Int4Asymmetric) {
  const Quantized got = quantized(kRow, 8, 4, false);
  EXPECT_THAT(got.scales, ElementsAre(0x3BFA, 0x3B7E));
  EXPECT_THAT(got.zero_points, ElementsAre(1, -8));
  EXPECT_THAT(got.codes, ElementsAre(-4, 4, 7, -8, 0, 3, -3, -5, 4, -1, 7, -2, 1, 5, -5, 6));
  EXPECT_THAT(got.packed, ElementsAre(0x35B80FC4U, 0xE3D96F7CU));
}

TEST(QuantizeReference, AScaleThatIsNothing) {
  // The smallest subnormal numbers: a fifteenth of them is 0.
  const auto params = [](float min, float max) { return int_params<Bf16>({min, max}, 4, false); };
  for (const auto& [min, max, zero] :
       {std::tuple{0.0F, 0.0F, 0}, {0.0F, 0x1p-133F, 0}, {-0x1p-133F, 0.0F, 7}}) {
    EXPECT_EQ(params(min, max).scale, Bf16::kEpsilon);
    EXPECT_EQ(params(min, max).zero_point, zero) << min << " " << max;
  }
}

TEST(QuantizeReference, Int8Symmetric) {
  const Quantized got = quantized(kRow, 8, 8, true);
  EXPECT_THAT(got.scales, ElementsAre(0x3A0F, 0x39EF));
  EXPECT_THAT(got.codes, ElementsAre(-75, 36, 82, -127, -15, 26, -59, -82, 102, 59, 127, 50, 78,
                                     111, 25, 120));
  EXPECT_THAT(got.packed, ElementsAre(0x01D2A435U, 0x2E459A71U, 0xB2FFBBE6U, 0xF899EFCEU));
}

TEST(QuantizeReference, Int8Asymmetric) {
  const Quantized got = quantized(kRow, 8, 8, false);
  EXPECT_THAT(got.scales, ElementsAre(0x39EB, 0x396F));
  EXPECT_THAT(got.zero_points, ElementsAre(27, -128));
  EXPECT_THAT(got.codes, ElementsAre(-64, 71, 127, -128, 8, 59, -44, -72, 76, -10, 127, -28, 27, 94,
                                     -78, 111));
  EXPECT_THAT(got.packed, ElementsAre(0x00FFC740U, 0x3854BB88U, 0x64FF76CCU, 0xEF32DE9BU));
}

TEST(QuantizeReference, AGroupOfZeros) {
  for (const bool symmetric : {true, false}) {
    const Quantized got = quantized(Row(8, 0), 8, 4, symmetric);
    EXPECT_THAT(got.scales, ElementsAre(0x3C00)) << "the format's epsilon";
    EXPECT_THAT(got.zero_points, ElementsAre(0));
    EXPECT_THAT(got.codes, ElementsAreArray(std::vector<int>(8, 0)));
  }
}

TEST(QuantizeReference, PackingIsAStreamOfBits) {
  std::vector<std::uint32_t> words(1);
  pack_codes(std::vector<int>{-8, -7, -1, 0, 1, 2, 6, 7}, 4, words);
  EXPECT_THAT(words, ElementsAre(0xFEA98710U));
  pack_codes(std::vector<int>{-128, -1, 0, 127}, 8, words);
  EXPECT_THAT(words, ElementsAre(0xFF807F00U));
  // Three bits cross a word: element 10 has bits 30 to 32.
  words.resize(2);
  std::vector<int> codes(11, -4);
  codes[10] = 3;
  pack_codes(codes, 3, words);
  EXPECT_THAT(words, ElementsAre(0xC0000000U, 1U));
}

// ---- MX and NVFP4 ----

TEST(QuantizeReference, MxScales) {
  const std::tuple<float, int, int> cases[] = {{1.0F, 125, 119},   {1.742F, 125, 119},
                                               {1.75F, 126, 120},  {6.0F, 127, 121},
                                               {448.0F, 134, 128}, {0.013F, 118, 112}};
  for (const auto& [largest, fp4, fp8] : cases) {
    const MinMax seen{0, Bf16::round(largest)};
    EXPECT_EQ(mx_scale<Bf16>(seen, Element::fp4), fp4) << largest;
    EXPECT_EQ(mx_scale<Bf16>(seen, Element::fp8), fp8) << largest;
    EXPECT_EQ(mx_scale<F32>({-largest, 0}, Element::fp4), fp4) << largest;
  }
  EXPECT_EQ(mx_scale<Bf16>({}, Element::fp4), 0);
  EXPECT_EQ(mx_scale<F16>({0, 0x1p-14F}, Element::fp8), 105) << "its smallest power of two";
  EXPECT_EQ(mx_scale<F16>({0, 0x1p-15F}, Element::fp8), 127) << "subnormal ones are none";
  EXPECT_EQ(mx_scale<F16>({}, Element::fp4), 127);
}

TEST(QuantizeReference, MxCodes) {
  const std::uint8_t scale = mx_scale<Bf16>({0, 6}, Element::fp4);
  for (int code = 0; code < 8; ++code)
    EXPECT_EQ(mx_code<Bf16>(fp4_value(static_cast<std::uint8_t>(code)), scale, Element::fp4), code);
  EXPECT_EQ(mx_code<Bf16>(0, 0, Element::fp8), 0);
}

TEST(QuantizeReference, Nvfp4GlobalIsAReciprocalAndAProduct) {
  EXPECT_EQ(nvfp4_global<Bf16>(Bf16::round(0.0371F)), 72704);
  EXPECT_EQ(nvfp4_global<Bf16>(std::numeric_limits<float>::infinity()), 1);
}

TEST(QuantizeReference, Nvfp4GroupsAreScaledTwice) {
  const float global = nvfp4_global<Bf16>(6);  // 448
  EXPECT_EQ(global, 448);
  const std::uint8_t scale = nvfp4_scale<Bf16>({0, 6}, global);
  EXPECT_EQ(e4m3_value(scale), 448) << "the group with the largest element";
  for (int code = 0; code < 16; ++code) {
    if (code == 8) continue;  // no value of its own: minus zero
    EXPECT_EQ(nvfp4_code(fp4_value(static_cast<std::uint8_t>(code)), scale, global), code);
  }
  EXPECT_EQ(e4m3_value(nvfp4_scale<Bf16>({}, global)), 0.125F) << "a group of zeros";
}

}  // namespace
}  // namespace dray::quantize
