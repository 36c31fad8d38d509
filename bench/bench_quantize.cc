// How fast weights are quantized on one core, in GB of weights a second: each scheme beside the
// floor, which reads every weight once and writes as many bytes as the codes have, and beside the
// scalar arithmetic that the kernels agree with.
//
//   bench_quantize [MiB]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "dray/quantize/kernels.h"

namespace {

using namespace dray::quantize;

constexpr int kRuns = 5;
constexpr std::size_t kColumns = 4096;

/// The best of some runs, in GB a second.
template <typename Work>
double speed(std::size_t bytes, Work&& work) {
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    const auto began = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    best = std::max(best, static_cast<double>(bytes) / took.count() / 1e9);
  }
  return best;
}

std::vector<std::byte> weights_of(WeightFormat format, std::size_t bytes) {
  std::vector<std::byte> out(bytes);
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.02F);
  for (std::size_t at = 0; at < bytes; at += bytes_of(format)) {
    const float x = normal(random);
    const auto put = [&](auto bits) { std::memcpy(out.data() + at, &bits, sizeof(bits)); };
    if (format == WeightFormat::bf16) put(Bf16::bits(x));
    if (format == WeightFormat::f16) put(F16::bits(x));
    if (format == WeightFormat::f32) put(F32::bits(x));
  }
  return out;
}

/// Reads all and writes some, with nothing between.
double floor_of(const std::vector<std::byte>& weights, std::vector<std::byte>& codes,
                std::size_t written) {
  return speed(weights.size(), [&] {
    std::uint64_t sum = 0;
    for (std::size_t at = 0; at + 8 <= weights.size(); at += 8) {
      std::uint64_t word;
      std::memcpy(&word, weights.data() + at, 8);
      sum += word;
    }
    std::memset(codes.data(), static_cast<int>(sum & 0xFFU), written);
  });
}

template <typename T>
double scalar_w4(const std::vector<std::byte>& weights, std::vector<std::byte>& codes) {
  const std::size_t part = std::min<std::size_t>(weights.size(), std::size_t{16} << 20U);
  return speed(part, [&] {
    std::vector<int> made(128);
    std::vector<std::uint32_t> words(16);
    for (std::size_t at = 0; at < part; at += 128 * sizeof(typename T::Bits)) {
      const std::span<const typename T::Bits> group(
          reinterpret_cast<const typename T::Bits*>(weights.data() + at), 128);
      const IntParams params = int_params<T>(min_max<T>(group), 4, true);
      for (std::size_t i = 0; i < 128; ++i)
        made[i] = int_code<T>(T::value(group[i]), params, 4, true);
      pack_codes(made, 4, words);
      std::memcpy(codes.data() + at / sizeof(typename T::Bits) / 2, words.data(), 64);
    }
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t mib = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 256;
  fmt::print("{:<8} {:<12} {:>12} {:>12} {:>14}\n", "weights", "scheme", "dray GB/s", "floor GB/s",
             "scalar GB/s");
  for (const auto& [dtype, format] :
       {std::pair{"BF16", WeightFormat::bf16}, std::pair{"F16", WeightFormat::f16},
        std::pair{"F32", WeightFormat::f32}}) {
    const auto weights = weights_of(format, mib << 20U);
    const std::size_t elements = weights.size() / bytes_of(format);
    std::vector<std::byte> codes(elements), scales(elements);
    std::vector<std::int8_t> zero_points(elements / 16);
    for (const std::string& name : scheme_names()) {
      const Scheme scheme = find_scheme(name);
      CodeRule rule = rule_of(scheme, format);
      rule.global = 70000;
      // A block's rows are coded one after another, 128 columns each, as here.
      const auto group = static_cast<std::size_t>(scheme.group != 0                  ? scheme.group
                                                  : scheme.sharing == Sharing::block ? 128
                                                                                     : kColumns);
      Seen seen;
      const double dray = speed(weights.size(), [&] {
        quantize_groups(rule, weights.data(), elements / group, group, codes.data(), scales.data(),
                        rule.symmetric ? nullptr : zero_points.data(), seen);
      });
      const double floor = floor_of(weights, codes, code_bytes(rule, elements));
      std::string scalar = "-";
      if (name == "W4A16" && format == WeightFormat::bf16)
        scalar = fmt::format("{:.2f}", scalar_w4<Bf16>(weights, codes));
      fmt::print("{:<8} {:<12} {:>12.2f} {:>12.2f} {:>14}\n", dtype, name, dray, floor, scalar);
    }
  }
}
