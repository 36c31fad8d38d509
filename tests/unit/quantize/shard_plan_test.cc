#include "dray/quantize/shard_plan.h"

#include <gmock/gmock.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "tests/support/errors.h"
#include "tests/support/random.h"

namespace dray::quantize {
namespace {

using testing::ElementsAre;

/// A shard of these tensors, some of which are quantized.
ShardInput shard(std::vector<TensorInfo> tensors, const std::set<std::string>& quantized = {}) {
  ShardInput out;
  out.what = "model.safetensors";
  std::uint64_t at = 0;
  for (TensorInfo& tensor : tensors) {
    std::uint64_t bytes = static_cast<std::uint64_t>(dtype_bits(tensor.dtype)) / 8;
    for (const auto size : tensor.shape) bytes *= size;
    tensor.data = {at, bytes};
    at += bytes;
    out.quantized.push_back(quantized.contains(tensor.name));
  }
  out.header.tensors = std::move(tensors);
  return out;
}

std::vector<std::string> names(const ShardPlan& plan) {
  std::vector<std::string> out;
  for (const auto& tensor : plan.tensors) out.push_back(tensor.info.name);
  return out;
}

/// What our own reader, which is as strict as the reference one, finds in the planned header.
SafetensorsHeader read_back(const ShardPlan& plan) {
  return parse_safetensors_header(plan.header, plan.size, "the planned shard");
}

void expect_aligned(const ShardPlan& plan) {
  EXPECT_EQ(plan.header.size() % 4096, 0u);
  for (const auto& tensor : plan.tensors)
    EXPECT_EQ(
        tensor.info.data.offset % (static_cast<std::uint64_t>(dtype_bits(tensor.info.dtype)) / 8),
        0u)
        << tensor.info.name;
}

TEST(ShardPlan, ShapesComeFirstThenTheOrderOfTheInput) {
  const auto input = shard({{"norm.weight", "BF16", {256}, {}},
                            {"a.weight", "BF16", {64, 256}, {}},
                            {"b.weight", "BF16", {64, 256}, {}}},
                           {"a.weight", "b.weight"});
  const ShardPlan plan = plan_shard(input, find_scheme("W4A16"));
  EXPECT_THAT(names(plan),
              ElementsAre("a.weight_shape", "b.weight_shape", "norm.weight", "a.weight_packed",
                          "a.weight_scale", "b.weight_packed", "b.weight_scale"));
  EXPECT_EQ(plan.kept, 0u);
  const SafetensorsHeader back = read_back(plan);
  ASSERT_EQ(back.tensors.size(), plan.tensors.size());
  for (std::size_t i = 0; i < back.tensors.size(); ++i)
    EXPECT_EQ(back.tensors[i], plan.tensors[i].info);
  EXPECT_EQ(back.metadata.at("format"), "pt");
  expect_aligned(plan);
}

TEST(ShardPlan, WhatWouldMoveTheOthersToOddAddressesComesLast) {
  // One scale a row, 33 rows: 66 bytes, and no packed word may begin there.
  const auto input =
      shard({{"a.weight", "BF16", {33, 128}, {}}, {"b.weight", "BF16", {64, 128}, {}}},
            {"a.weight", "b.weight"});
  const ShardPlan plan = plan_shard(input, find_scheme("W4A16"));
  EXPECT_EQ(names(plan).back(), "a.weight_scale");
  EXPECT_EQ(plan.kept, 66u);
  expect_aligned(plan);
  read_back(plan);
}

TEST(ShardPlan, MetadataIsKept) {
  auto input = shard({{"a", "F32", {1}, {}}});
  input.header.metadata = {{"format", "flax"}, {"total_parameters", "1"}};
  const auto back = read_back(plan_shard(input, find_scheme("W4A16")));
  EXPECT_EQ(back.metadata, input.header.metadata);
}

TEST(ShardPlan, TooMuchToKeepIsSaid) {
  const auto input = shard({{"a", "U8", {65 * kMiB + 1}, {}}, {"b", "F32", {1}, {}}});
  const Error error = test::error_of([&] { plan_shard(input, find_scheme("W4A16")); });
  EXPECT_EQ(error.code(), Code::unsupported);
  EXPECT_EQ(error.object(), "model.safetensors");
}

TEST(ShardPlan, AnyShapesGiveAFileThatReadersAccept) {
  auto random = test::generator(5);
  const auto below = [&](std::uint64_t most) { return random() % most; };
  for (int round = 0; round < 300; ++round) {
    const auto all = scheme_names();
    const Scheme scheme = find_scheme(all[below(all.size())]);
    std::vector<TensorInfo> tensors;
    std::set<std::string> quantized;
    for (std::uint64_t i = 0, count = below(9); i < count; ++i) {
      const char* dtypes[] = {"BF16", "F16", "F32", "I64", "U8"};
      TensorInfo tensor{"t" + std::to_string(i), dtypes[below(5)], {}, {}};
      for (std::uint64_t d = 0, rank = below(4); d < rank; ++d) tensor.shape.push_back(below(300));
      if (below(2) == 0) tensor.shape = {1 + below(300), 128 * (1 + below(4))};
      if (!why_not(scheme, tensor) && below(3) != 0) quantized.insert(tensor.name);
      tensors.push_back(std::move(tensor));
    }
    const ShardPlan plan = plan_shard(shard(std::move(tensors), quantized), scheme);
    read_back(plan);
    expect_aligned(plan);
  }
}

}  // namespace
}  // namespace dray::quantize
