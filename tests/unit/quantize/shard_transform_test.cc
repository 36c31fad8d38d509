#include "dray/quantize/shard_transform.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/quantize/reference.h"
#include "tests/support/errors.h"
#include "tests/support/quantize_oracle.h"
#include "tests/support/random.h"
#include "tests/support/safetensors_file.h"

namespace dray::quantize {
namespace {

template <typename Action>
void expect_error(Action&& action, Code code, std::string_view object) {
  const Error error = test::error_of(action);
  EXPECT_EQ(error.code(), code);
  EXPECT_THAT(error.what(), testing::HasSubstr(object));
}

using Tensor = test::FileTensor;

/// In parts of these sizes, the last one for the rest, as a store has them.
class Parts final : public TransformOutput {
 public:
  explicit Parts(std::function<std::size_t()> next) : next_(std::move(next)) {}
  MutableBytes space() override {
    if (left_ == 0) left_ = next_();
    part_.resize(left_);
    return part_;
  }
  void filled(std::uint64_t bytes) override {
    out.insert(out.end(), part_.begin(), part_.begin() + static_cast<std::ptrdiff_t>(bytes));
    left_ -= static_cast<std::size_t>(bytes);
  }
  Buffer out;

 private:
  std::function<std::size_t()> next_;
  std::size_t left_ = 0;
  Buffer part_;
};

struct ShardTransformTest : testing::Test {
  std::mt19937_64 random = test::generator();
  std::vector<Tensor> tensors;
  std::set<std::string> quantized;

  std::uint64_t below(std::uint64_t end) { return random() % end; }

  Buffer numbers(const std::string& dtype, std::uint64_t count) {
    std::normal_distribution<float> normal(0, 0.02F);
    Buffer out;
    const auto put = [&](auto bits) {
      const auto* from = reinterpret_cast<const std::byte*>(&bits);
      out.insert(out.end(), from, from + sizeof(bits));
    };
    for (std::uint64_t i = 0; i < count; ++i) {
      const float x = normal(random);
      if (dtype == "BF16") put(Bf16::bits(x));
      if (dtype == "F16") put(F16::bits(x));
      if (dtype == "F32") put(F32::bits(x));
      if (dtype == "U8") put(static_cast<std::uint8_t>(i));
    }
    return out;
  }

  void add(const std::string& name, const std::string& dtype, std::vector<std::uint64_t> shape,
           bool quantize) {
    const auto count = std::accumulate(shape.begin(), shape.end(), std::uint64_t{1},
                                       std::multiplies<std::uint64_t>());
    tensors.push_back({name, dtype, std::move(shape), numbers(dtype, count)});
    if (quantize) quantized.insert(name);
  }

  /// Weights of several formats among tensors that stay, some of which are of awkward lengths.
  void some_shard(const Scheme& scheme) {
    tensors.clear();
    quantized.clear();
    const char* dtypes[] = {"BF16", "F16", "F32"};
    for (std::uint64_t i = 0, count = 1 + below(6); i < count; ++i) {
      const std::string name = "layers." + std::to_string(i);
      const std::string dtype = dtypes[below(3)];
      const std::uint64_t columns =
          scheme.group != 0 ? scheme.group * (1 + below(4)) : 1 + below(300);
      add(name + ".weight", dtype, {1 + below(300), columns}, true);
      if (below(2) == 0) add(name + ".bias", dtype, {1 + below(9)}, false);
      if (below(4) == 0) add(name + ".empty", "F32", {0, 4}, false);
      if (below(4) == 0) add(name + ".mask", "U8", {1 + below(9)}, false);
    }
    add("norm.weight", "BF16", {64}, false);
  }

  ShardRequest request(const Scheme& scheme) {
    const Buffer head = test::safetensors_header(tensors);
    std::uint64_t size = head.size();
    for (const Tensor& tensor : tensors) size += tensor.bytes.size();
    ShardInput shard = read_shard("model.safetensors", head, size);
    ShardRequest out{.shard = nullptr, .scheme = scheme, .statistics = {}};
    for (std::size_t i = 0; i < shard.quantized.size(); ++i) {
      const std::string& name = shard.header.tensors[i].name;
      shard.quantized[i] = quantized.contains(name);
      if (scheme.sharing != Sharing::tensor_group) continue;
      out.statistics.emplace_back();
      if (shard.quantized[i]) out.statistics.back() = {largest_of(tensor(name)), 60000};
    }
    out.shard = std::make_shared<const ShardInput>(std::move(shard));
    return out;
  }

  template <typename T>
  static float largest_in(const Buffer& bytes) {
    std::vector<typename T::Bits> elements(bytes.size() / sizeof(typename T::Bits));
    std::memcpy(elements.data(), bytes.data(), bytes.size());
    return min_max<T>(elements).largest();
  }
  static float largest_of(const Tensor& tensor) {
    return tensor.dtype == "BF16"  ? largest_in<Bf16>(tensor.bytes)
           : tensor.dtype == "F16" ? largest_in<F16>(tensor.bytes)
                                   : largest_in<F32>(tensor.bytes);
  }

  Buffer input() const { return test::safetensors_file(tensors); }

  /// In slices and parts of random lengths, up to `most`.
  Buffer run(ShardTransform& transform, const Buffer& bytes, std::uint64_t most) {
    Parts parts([&] { return static_cast<std::size_t>(1 + below(most)); });
    for (std::size_t at = 0; at < bytes.size();) {
      const auto slice = std::min(bytes.size() - at, static_cast<std::size_t>(1 + below(most)));
      transform.feed(Bytes(bytes).subspan(at, slice), parts);
      at += slice;
    }
    transform.finish(parts);
    return std::move(parts.out);
  }

  const Tensor& tensor(const std::string& name) const {
    return *std::find_if(tensors.begin(), tensors.end(),
                         [&](const Tensor& t) { return t.name == name; });
  }

  /// Every tensor lies where the header says and is what the oracle makes of the whole.
  void expect_right(const Scheme& scheme, const Buffer& out) {
    const SafetensorsHeader header = parse_safetensors_header(out, out.size(), "output");
    for (const TensorInfo& made : header.tensors) {
      SCOPED_TRACE(made.name);
      const auto bytes =
          Bytes(out).subspan(static_cast<std::size_t>(header.header_bytes + made.data.offset),
                             static_cast<std::size_t>(made.data.length));
      const auto cut = made.name.rfind(".weight");
      const std::string weight = cut == made.name.npos ? "" : made.name.substr(0, cut + 7);
      Buffer expected;
      if (!quantized.contains(weight)) {
        expected = tensor(made.name).bytes;
      } else {
        const Tensor& from = tensor(weight);
        const std::string suffix = made.name.substr(weight.size());
        const test::QuantizedWeight whole =
            test::quantized(scheme, from.dtype, from.shape[0], from.shape[1], from.bytes, 60000);
        if (suffix.empty() || suffix == "_packed") expected = whole.codes;
        if (suffix == "_scale") expected = whole.scales;
        if (suffix == "_zero_point") expected = whole.packed_zero_points;
        if (suffix == "_shape") {
          expected.resize(16);
          std::memcpy(expected.data(), from.shape.data(), 16);
        }
        if (suffix == "_global_scale") {
          const float global = 60000;
          expected.resize(4);
          std::memcpy(expected.data(), &global, 4);
        }
      }
      ASSERT_TRUE(std::ranges::equal(bytes, expected));
    }
  }
};

TEST_F(ShardTransformTest, WhateverTheSlicesAndPartsEachTensorIsWhatTheWholeBecomes) {
  for (const std::string& name : scheme_names())
    for (int round = 0; round < 6; ++round) {
      SCOPED_TRACE(name);
      const Scheme scheme = find_scheme(name);
      some_shard(scheme);
      ShardTransform transform(request(scheme));
      const Buffer bytes = input();
      const Buffer once = run(transform, bytes, round == 0 ? 64 : 40000);
      ASSERT_EQ(once.size(), transform.output_size());
      expect_right(scheme, once);
      if (HasFatalFailure()) return;
      transform.restart();
      EXPECT_EQ(run(transform, bytes, 100000), once);
      EXPECT_EQ(transform.errors().size(), quantized.size());
    }
}

TEST_F(ShardTransformTest, TellsHowMuchAWeightLost) {
  add("a.weight", "BF16", {64, 128}, true);
  add("zero.weight", "BF16", {64, 128}, true);
  tensors.back().bytes.assign(tensors.back().bytes.size(), std::byte{0});
  ShardTransform transform(request(find_scheme("W4A16")));
  run(transform, input(), 5000);
  ASSERT_EQ(transform.errors().size(), 2u);
  // Of normally distributed weights four bits in groups of 128 lose about a tenth.
  EXPECT_EQ(transform.errors()[0].name, "a.weight");
  EXPECT_NEAR(transform.errors()[0].relative, 0.105, 0.02);
  EXPECT_NEAR(transform.errors()[0].cosine, 0.9945, 0.002);
  EXPECT_EQ(transform.errors()[1].relative, 0);
  EXPECT_EQ(transform.errors()[1].cosine, 1);
}

TEST_F(ShardTransformTest, NumbersThatAreNoneEndInAnErrorThatNamesTheWeight) {
  for (const std::string& name : scheme_names()) {
    tensors.clear();
    quantized.clear();
    add("good.weight", "F32", {130, 256}, true);
    add("bad.weight", "F32", {130, 256}, true);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::memcpy(tensors.back().bytes.data() + 4 * 256 * 129, &nan, 4);
    ShardRequest asked = request(find_scheme(name));
    ShardTransform transform(std::move(asked));
    Parts parts([] { return std::size_t{4096}; });
    transform.feed(input(), parts);  // told only when all bytes are known to be the publisher's
    expect_error([&] { transform.finish(parts); }, Code::unsupported, "bad.weight");
  }
}

TEST_F(ShardTransformTest, AnotherHeaderThanPlannedForIsNoticed) {
  add("a.weight", "BF16", {64, 128}, true);
  ShardTransform transform(request(find_scheme("W4A16")));
  Buffer bytes = input();
  bytes[20] = std::byte{'x'};
  expect_error([&] { run(transform, bytes, 100); }, Code::verification, "model.safetensors");
}

TEST_F(ShardTransformTest, OtherNumbersThanInTheFirstPassAreNoticed) {
  add("a.weight", "BF16", {64, 128}, true);
  ShardRequest asked = request(find_scheme("NVFP4A16"));
  asked.statistics.at(0).largest *= 2;
  ShardTransform transform(std::move(asked));
  expect_error([&] { run(transform, input(), 1000); }, Code::verification, "a.weight");
}

TEST_F(ShardTransformTest, HoldsLittleOfALargeWeight) {
  // Of 8 GiB of BF16 only the scales: what counts is the header.
  const std::string text =
      R"({"a.weight":{"dtype":"BF16","shape":[65536,65536],"data_offsets":[0,8589934592]}})";
  const Buffer head = safetensors_head(text, 8);
  ShardInput shard = read_shard("x", head, head.size() + 8589934592);
  shard.quantized.at(0) = true;
  const ShardTransform transform(
      {std::make_shared<const ShardInput>(std::move(shard)), find_scheme("W4A16"), {}});
  EXPECT_LT(transform.memory(), 65 * kMiB);
  EXPECT_GT(transform.memory(), 64 * kMiB);
}

}  // namespace
}  // namespace dray::quantize
