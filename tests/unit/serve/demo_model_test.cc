#include "dray/serve/demo_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/model/hf_config.h"
#include "dray/model/safetensors.h"
#include "dray/model/selection.h"
#include "tests/support/random.h"

namespace dray {
namespace {

/// One for all tests: its digests take a moment.
DemoModel& demo() {
  static DemoModel model;
  return model;
}

Buffer read(const FileEntry& file, std::uint64_t offset, std::uint64_t length) {
  Buffer out(static_cast<std::size_t>(length));
  demo().read(file, offset, out, {});
  return out;
}

std::string text_of(const Snapshot& snapshot, const std::string& path) {
  const auto* file = snapshot.find(path);
  return file == nullptr ? "" : std::string(as_text(read(*file, 0, file->size)));
}

SafetensorsHeader header_of(const FileEntry& file) {
  const auto length = safetensors_json_length(read(file, 0, 8), file.path);
  return parse_safetensors_header(read(file, 0, 8 + length), file.size, file.path);
}

float value_of(const Buffer& bytes, std::size_t element) {
  const auto bits = (std::to_integer<std::uint32_t>(bytes[2 * element]) << 16) |
                    (std::to_integer<std::uint32_t>(bytes[2 * element + 1]) << 24);
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

TEST(DemoModel, IsOfTheSizePromised) {
  const auto snapshot = demo().snapshot({});
  EXPECT_GT(snapshot.total_bytes(), 55'000'000U);
  EXPECT_LT(snapshot.total_bytes(), 65'000'000U);
  EXPECT_TRUE(std::is_sorted(snapshot.files.begin(), snapshot.files.end(),
                             [](const auto& a, const auto& b) { return a.path < b.path; }));
}

TEST(DemoModel, DigestsAreThoseOfTheBytes) {
  const auto snapshot = demo().snapshot({});
  for (const auto& file : snapshot.files) {
    const auto bytes = read(file, 0, file.size);
    if (file.path.ends_with(".safetensors"))
      EXPECT_EQ(file.digests.sha256, Sha256::hex_of(bytes)) << file.path;
    else
      EXPECT_EQ(file.digests.git_sha1, GitBlobSha1::hex_of(bytes)) << file.path;
  }
}

TEST(DemoModel, TheBytesNeverChange) {
  const auto snapshot = demo().snapshot({});
  const auto* shard = snapshot.find("model-00001-of-00002.safetensors");
  ASSERT_NE(shard, nullptr);
  EXPECT_EQ(shard->digests.sha256,
            "9aea78f9f5e87effea5a6f7ca29ff9b50d6290fc633bf839c004c816a30e4909");
}

TEST(DemoModel, AnyRangeEqualsThatPartOfTheWhole) {
  const auto snapshot = demo().snapshot({});
  const auto& file = *snapshot.find("model-00002-of-00002.safetensors");
  const auto whole = read(file, 0, file.size);
  auto random = test::generator(32);
  for (int round = 0; round < 300; ++round) {
    const auto offset = random() % file.size;
    const auto length = std::min(random() % 5000, file.size - offset);
    const auto part = read(file, offset, length);
    ASSERT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + static_cast<long>(offset)))
        << offset << " " << length;
  }
  // Around the end of the header and of every tensor.
  for (const auto& tensor : header_of(file).tensors) {
    const auto at = header_of(file).header_bytes + tensor.data.offset;
    const auto part = read(file, at - 3, 7);
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + static_cast<long>(at) - 3));
  }
}

TEST(DemoModel, ShardsAreThoseTheIndexNames) {
  const auto snapshot = demo().snapshot({});
  const auto index = parse_json(text_of(snapshot, "model.safetensors.index.json"), "index");
  std::map<std::string, std::string> places;
  std::uint64_t bytes = 0;
  for (const auto& file : snapshot.files) {
    if (!file.path.ends_with(".safetensors")) continue;
    const auto header = header_of(file);
    EXPECT_EQ(header.metadata.at("format"), "pt");
    EXPECT_EQ(header.header_bytes % 8, 0U);
    for (const auto& tensor : header.tensors) {
      EXPECT_EQ(tensor.dtype, "BF16");
      EXPECT_TRUE(places.emplace(tensor.name, file.path).second) << tensor.name;
      bytes += tensor.data.length;
    }
  }
  EXPECT_EQ(index.at("weight_map").get<decltype(places)>(), places);
  EXPECT_EQ(index.at("metadata").at("total_size"), bytes);
  EXPECT_EQ(places.at("model.embed_tokens.weight"), "model-00001-of-00002.safetensors");
  EXPECT_EQ(places.at("lm_head.weight"), "model-00002-of-00002.safetensors");
}

TEST(DemoModel, TensorsHaveTheShapesOfItsConfig) {
  const auto snapshot = demo().snapshot({});
  const auto config = parse_hf_config(text_of(snapshot, "config.json"), "config.json");
  EXPECT_EQ(config.architecture, "LlamaForCausalLM");
  std::map<std::string, std::vector<std::uint64_t>> shapes;
  for (const auto& file : snapshot.files)
    if (file.path.ends_with(".safetensors"))
      for (const auto& tensor : header_of(file).tensors) shapes[tensor.name] = tensor.shape;
  const auto hidden = *config.hidden_size, head = *config.head_dim;
  using Shape = std::vector<std::uint64_t>;
  EXPECT_EQ(shapes.at("model.embed_tokens.weight"), (Shape{*config.vocab_size, hidden}));
  EXPECT_EQ(shapes.at("lm_head.weight"), (Shape{*config.vocab_size, hidden}));
  EXPECT_EQ(shapes.at("model.norm.weight"), Shape{hidden});
  const auto last = "model.layers." + std::to_string(*config.num_hidden_layers - 1) + ".";
  EXPECT_EQ(shapes.at(last + "self_attn.q_proj.weight"),
            (Shape{*config.num_attention_heads * head, hidden}));
  EXPECT_EQ(shapes.at(last + "self_attn.k_proj.weight"),
            (Shape{*config.num_key_value_heads * head, hidden}));
  EXPECT_EQ(shapes.size(), 3 + 9 * *config.num_hidden_layers);
}

TEST(DemoModel, WeightsAreSmallNumbersAndNormsAreOne) {
  const auto snapshot = demo().snapshot({});
  const auto& file = *snapshot.find("model-00001-of-00002.safetensors");
  const auto header = header_of(file);
  for (const auto& tensor : header.tensors) {
    const auto length = std::min<std::uint64_t>(tensor.data.length, 20'000);
    const auto bytes = read(file, header.header_bytes + tensor.data.offset, length);
    const auto count = bytes.size() / 2;
    double sum = 0, square = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const double value = value_of(bytes, i);
      ASSERT_TRUE(std::isfinite(value));
      sum += value;
      square += value * value;
    }
    const double mean = sum / static_cast<double>(count);
    const double spread = std::sqrt(square / static_cast<double>(count));
    if (tensor.name.find("norm") != std::string::npos) {
      EXPECT_EQ(mean, 1) << tensor.name;
      EXPECT_EQ(spread, 1) << tensor.name;
    } else {
      EXPECT_LT(std::abs(mean), 0.002) << tensor.name;
      EXPECT_GT(spread, 0.01) << tensor.name;
      EXPECT_LT(spread, 0.03) << tensor.name;
    }
  }
}

TEST(DemoModel, IsTakenWholeAndServable) {
  const auto snapshot = demo().snapshot({});
  const auto choice = choose_files(snapshot, {}, [&](const std::string& path) {
    return std::optional(text_of(snapshot, path));
  });
  EXPECT_EQ(choice.weights, "safetensors");
  EXPECT_EQ(choice.problems, std::vector<std::string>());
  EXPECT_EQ(choice.files.size(), snapshot.files.size() - 1);  // all but .gitattributes
  EXPECT_EQ(snapshot.info.license, "apache-2.0");
  EXPECT_EQ(snapshot.info.library, "transformers");
}

TEST(DemoModel, TokenizerKnowsEveryByteOnce) {
  const auto snapshot = demo().snapshot({});
  const auto tokenizer = parse_json(text_of(snapshot, "tokenizer.json"), "tokenizer.json");
  const auto& vocabulary = tokenizer.at("model").at("vocab");
  ASSERT_EQ(vocabulary.size(), 256U);
  std::vector<bool> seen(256);
  for (const auto& [letter, id] : vocabulary.items()) seen.at(id.get<std::size_t>()) = true;
  EXPECT_EQ(std::count(seen.begin(), seen.end(), true), 256);
  // As GPT-2 has them: "A" is itself, a space is U+0120.
  EXPECT_EQ(vocabulary.at("A"), 65);
  EXPECT_EQ(vocabulary.at("\u0120"), 32);
  EXPECT_EQ(vocabulary.at("\u0143"), 0xAD);
}

TEST(DemoModel, OutOfBoundsIsAnError) {
  const auto snapshot = demo().snapshot({});
  const auto& file = *snapshot.find("config.json");
  EXPECT_THROW(read(file, file.size, 1), Error);
  EXPECT_THROW(read(file, ~std::uint64_t{0}, 1), Error);
  EXPECT_THROW(read(FileEntry{.path = "none", .size = 5, .digests = {}}, 0, 5), Error);
  EXPECT_NO_THROW(read(file, file.size, 0));
}

}  // namespace
}  // namespace dray
