// What an import that quantizes a very large model holds in memory before the first weight moves.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>

#include "dray/base/error.h"
#include "dray/release/compress.h"
#include "tests/support/heap.h"

namespace dray {
namespace {

// DeepSeek-V3 has 163 shards with 91 thousand tensors: a part of them tells what all would hold.
constexpr std::uint64_t kAllShards = 163, kShards = 8, kTensors = 552;
constexpr std::uint64_t kWeight = 2048 * 7168 * 2;  // bytes

/// Experts' projections, as many in a shard as DeepSeek-V3 has. Only heads and texts can be read.
class LargeModel final : public Source {
 public:
  static std::string path(std::uint64_t shard) {
    return fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, kShards);
  }
  static Buffer head(std::uint64_t shard) {
    std::string json = R"({"__metadata__":{"format":"pt"})";
    for (std::uint64_t i = 0; i < kTensors; ++i) {
      static constexpr std::array kNames = {"gate_proj", "up_proj", "down_proj"};
      const std::uint64_t n = shard * kTensors + i, expert = n / 3;
      json += fmt::format(
          R"(,"model.layers.{}.mlp.experts.{}.{}.weight":{{"dtype":"BF16","shape":[{}],"data_offsets":[{},{}]}})",
          expert / 256, expert % 256, kNames[n % 3], n % 3 == 2 ? "7168,2048" : "2048,7168",
          i * kWeight, (i + 1) * kWeight);
    }
    return safetensors_head(json + "}", 8);
  }

  LargeModel() {
    for (std::uint64_t shard = 0; shard < kShards; ++shard)
      choice.files.push_back({path(shard), head(shard).size() + kTensors * kWeight, {}});
    for (const auto& [name, text] : texts_) choice.files.push_back({name, text.size(), {}});
  }
  Snapshot snapshot(const std::stop_token&) override { return {}; }
  std::string name() const override { return "large"; }
  void read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
            const std::stop_token&) override {
    Buffer content;
    if (const auto text = texts_.find(file.path); text != texts_.end())
      content.assign(as_bytes(text->second).begin(), as_bytes(text->second).end());
    else
      content = head(std::stoul(file.path.substr(6, 5)) - 1);
    ASSERT_EQ(offset, 0u);
    std::memcpy(out.data(), content.data(), std::min(out.size(), content.size()));
  }

  Choice choice;

 private:
  const std::map<std::string, std::string> texts_ = {{"config.json", "{}"},
                                                     {"model.safetensors.index.json", "{}"}};
};

TEST(CompressMemory, OfAVeryLargeModelLittleIsHeldBeforeItsWeightsCome) {
  LargeModel model;
  const std::uint64_t before = test::heap_bytes();
  const Compression plan =
      plan_compression(model, model.choice, {quantize::find_scheme("W4A16"), {}}, {});
  const std::uint64_t planned = test::heap_bytes();
  Progress progress;
  const auto transforms = shard_transforms(model, model.choice, plan, {}, progress, {});
  const std::uint64_t made = test::heap_bytes();
  EXPECT_EQ(plan.quantized, kShards * kTensors);
  EXPECT_EQ(transforms.size(), kShards);
  // The index, which names three tensors for each weight, and what the heads say.
  EXPECT_GT(plan.texts.at("model.safetensors.index.json").after->size(),
            3 * kShards * kTensors * 80);
  EXPECT_LT((planned - before) * kAllShards / kShards, 64 * kMiB);
  EXPECT_LT((made - planned) * kAllShards / kShards, 1 * kMiB);
}

}  // namespace
}  // namespace dray
