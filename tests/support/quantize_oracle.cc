#include "tests/support/quantize_oracle.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <utility>

#include "dray/quantize/reference.h"

namespace dray::test {

namespace {

using namespace quantize;

template <typename T>
void append(Buffer& to, const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  to.insert(to.end(), bytes.begin(), bytes.end());
}

template <typename T>
class Oracle {
 public:
  Oracle(const Scheme& scheme, std::uint64_t rows, std::uint64_t columns, Bytes elements,
         float global)
      : scheme_(scheme),
        rows_(static_cast<std::size_t>(rows)),
        columns_(static_cast<std::size_t>(columns)),
        global_(global),
        bits_(rows_ * columns_),
        codes_(rows_ * columns_) {
    std::memcpy(bits_.data(), elements.data(), bits_.size() * sizeof(bits_[0]));
  }

  QuantizedWeight whole() {
    const bool block = scheme_.sharing == Sharing::block;
    const std::size_t high = block ? kBlock : 1;
    const std::size_t wide = block ? kBlock : scheme_.group != 0 ? scheme_.group : columns_;
    for (std::size_t top = 0; top < rows_; top += high)
      for (std::size_t left = 0; left < columns_; left += wide)
        code_shared({top, std::min(rows_, top + high)}, {left, std::min(columns_, left + wide)});
    store_codes();
    if (!scheme_.symmetric) store_zero_points((columns_ + wide - 1) / wide);
    return std::move(out_);
  }

 private:
  using Span = std::pair<std::size_t, std::size_t>;  // from, to

  /// The elements that share a scale.
  void code_shared(Span rows, Span columns) {
    std::vector<std::size_t> places;
    std::vector<typename T::Bits> here;
    for (std::size_t r = rows.first; r < rows.second; ++r)
      for (std::size_t c = columns.first; c < columns.second; ++c) {
        places.push_back(r * columns_ + c);
        here.push_back(bits_[places.back()]);
      }
    const MinMax seen = min_max<T>(here);
    // code(x): what is stored; value(code): what is read back.
    const auto each = [&](auto&& code, auto&& value) {
      for (const std::size_t at : places) {
        const float x = T::value(bits_[at]);
        codes_[at] = code(x);
        add_squares(x, value(codes_[at]));
      }
    };
    const auto fp8 = [](int code) { return e4m3_value(static_cast<std::uint8_t>(code)); };
    const auto fp4 = [](int code) { return fp4_value(static_cast<std::uint8_t>(code)); };
    if (scheme_.scale == ScaleFormat::e8m0) {
      const std::uint8_t scale = mx_scale<T>(seen, scheme_.element);
      append(out_.scales, scale);
      each([&](float x) { return mx_code<T>(x, scale, scheme_.element); },
           [&](int code) {
             return std::ldexp(scheme_.element == Element::fp4 ? fp4(code) : fp8(code),
                               scale - 127);
           });
    } else if (scheme_.scale == ScaleFormat::e4m3) {
      const std::uint8_t scale = nvfp4_scale<T>(seen, global_);
      append(out_.scales, scale);
      each([&](float x) { return nvfp4_code(x, scale, global_); },
           [&](int code) { return fp4(code) * (fp8(scale) / global_); });
    } else if (scheme_.element == Element::fp8) {
      const float scale = fp8_scale<T>(seen);
      append(out_.scales, T::bits(scale));
      each([&](float x) { return fp8_code<T>(x, scale); },
           [&](int code) { return fp8(code) * scale; });
    } else {
      const IntParams params = int_params<T>(seen, scheme_.bits, scheme_.symmetric);
      append(out_.scales, T::bits(params.scale));
      if (!scheme_.symmetric) out_.zero_points.push_back(params.zero_point);
      each([&](float x) { return int_code<T>(x, params, scheme_.bits, scheme_.symmetric); },
           [&](int code) { return static_cast<float>(code - params.zero_point) * params.scale; });
    }
  }

  void add_squares(double weight, double restored) {
    out_.squares.weights += weight * weight;
    out_.squares.restored += restored * restored;
    out_.squares.differences += (weight - restored) * (weight - restored);
  }

  void store_codes() {
    if (scheme_.format == "pack-quantized") {
      std::vector<std::uint32_t> packed(columns_ * static_cast<std::size_t>(scheme_.bits) / 32);
      for (std::size_t r = 0; r < rows_; ++r) {
        pack_codes(std::span(codes_).subspan(r * columns_, columns_), scheme_.bits, packed);
        for (const auto word : packed) append(out_.codes, word);
      }
    } else if (scheme_.element == Element::fp4) {
      for (std::size_t i = 0; i < codes_.size(); i += 2)
        append(out_.codes, static_cast<std::uint8_t>(codes_[i] | codes_[i + 1] << 4));
    } else {
      for (const int code : codes_) append(out_.codes, static_cast<std::uint8_t>(code));
    }
  }

  /// Packed down the rows.
  void store_zero_points(std::size_t across) {
    const auto bits = static_cast<std::size_t>(scheme_.bits);
    std::vector<std::uint32_t> all((rows_ * bits + 31) / 32 * across);
    for (std::size_t r = 0; r < rows_; ++r)
      for (std::size_t g = 0; g < across; ++g)
        all[r * bits / 32 * across + g] |=
            static_cast<std::uint32_t>(out_.zero_points[r * across + g] + (1 << (bits - 1)))
            << r * bits % 32;
    for (const auto word : all) append(out_.packed_zero_points, word);
  }

  const Scheme& scheme_;
  std::size_t rows_, columns_;
  float global_;
  std::vector<typename T::Bits> bits_;
  std::vector<int> codes_;
  QuantizedWeight out_;
};

}  // namespace

QuantizedWeight quantized(const Scheme& scheme, const std::string& dtype, std::uint64_t rows,
                          std::uint64_t columns, Bytes elements, float global) {
  if (dtype == "BF16") return Oracle<Bf16>(scheme, rows, columns, elements, global).whole();
  if (dtype == "F16") return Oracle<F16>(scheme, rows, columns, elements, global).whole();
  return Oracle<F32>(scheme, rows, columns, elements, global).whole();
}

}  // namespace dray::test
