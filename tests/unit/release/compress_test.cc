// Imports that quantize on the way: what is stored, what is recorded, and what is refused.
#include <gmock/gmock.h>

#include <atomic>
#include <memory>
#include <random>
#include <thread>

#include "dray/model/safetensors.h"
#include "dray/quantize/floats.h"
#include "dray/store/store_sources.h"
#include "tests/support/errors.h"
#include "tests/support/safetensors_file.h"
#include "tests/unit/release/release_fixture.h"

namespace dray {
namespace {

using quantize::find_scheme;
using testing::HasSubstr;
using testing::IsEmpty;

using Tensors = std::vector<test::FileTensor>;

constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

/// A Llama of two layers in two shards; k_proj and v_proj lie in different ones.
struct CompressTest : test::ReleaseFixture {
  CompressTest() {
    fill(model);
    use(model);
    request.compress = CompressOptions{find_scheme("W4A16", {.group = 32}), {}};
  }

  void use(test::ModelSource& other) { request.source = &other; }

  test::FileTensor tensor(const std::string& name, std::vector<std::uint64_t> shape) {
    std::uint64_t count = 1;
    for (const auto size : shape) count *= size;
    // What is projected out is larger than what goes in, so that their factors differ.
    std::normal_distribution<float> normal(0, name.ends_with("o_proj.weight") ? 0.2F : 0.02F);
    Buffer bytes;
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto bits = quantize::Bf16::bits(normal(random));
      bytes.push_back(static_cast<std::byte>(bits & 255));
      bytes.push_back(static_cast<std::byte>(bits >> 8));
    }
    return {name, "BF16", std::move(shape), std::move(bytes)};
  }

  void fill(test::ModelSource& to,
            test::MemorySource::Stated weights = test::MemorySource::Stated::sha256) {
    Tensors first = {tensor("model.embed_tokens.weight", {40, 64})}, second;
    for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
      for (const std::string name : {"self_attn.q_proj", "self_attn.k_proj", "mlp.gate_proj"})
        first.push_back(tensor(layer + name + ".weight", {64, 64}));
      for (const std::string name : {"self_attn.v_proj", "self_attn.o_proj", "mlp.up_proj"})
        second.push_back(tensor(layer + name + ".weight", {64, 64}));
      second.push_back(tensor(layer + "input_layernorm.weight", {64}));
    }
    second.push_back(tensor("lm_head.weight", {40, 64}));
    to.add(kFirst, test::safetensors_file(first), weights);
    to.add(kSecond, test::safetensors_file(second), weights);
    Json map = Json::object();
    for (const auto& t : first) map[t.name] = kFirst;
    for (const auto& t : second) map[t.name] = kSecond;
    const bool stated = weights != test::MemorySource::Stated::nothing;
    const auto git = stated ? test::MemorySource::Stated::git_sha1 : weights;
    const auto text = [&](const std::string& path, const std::string& content) {
      to.add(path, Buffer(as_bytes(content).begin(), as_bytes(content).end()), git);
    };
    text(kIndex, Json({{"metadata", {{"total_size", 1}}}, {"weight_map", map}}).dump());
    text("config.json", Json({{"architectures", {"LlamaForCausalLM"}},
                              {"model_type", "llama"},
                              {"num_hidden_layers", 2}})
                            .dump());
    text("tokenizer.json", "{}");
    text("tokenizer_config.json", "{}");
    text("README.md", "# Tiny\n");
  }

  std::string stored(const Manifest& manifest, const std::string& path) {
    return store.content(release_prefix(manifest.name, manifest.version) + path).value_or("");
  }
  std::map<std::string, TensorInfo> tensors_of(const Manifest& manifest, const std::string& path) {
    const std::string content = stored(manifest, path);
    std::map<std::string, TensorInfo> out;
    const Bytes bytes = as_bytes(content);
    const auto length = static_cast<std::size_t>(8 + safetensors_json_length(bytes, path));
    for (auto& t : parse_safetensors_header(bytes.first(length), content.size(), path).tensors)
      out.emplace(t.name, t);
    return out;
  }
  /// The bytes of one tensor of the release.
  std::string content_of(const Manifest& manifest, const std::string& path,
                         const std::string& name) {
    const std::string content = stored(manifest, path);
    const TensorInfo tensor = tensors_of(manifest, path).at(name);
    const auto head = static_cast<std::size_t>(8 + safetensors_json_length(as_bytes(content), ""));
    return content.substr(head + static_cast<std::size_t>(tensor.data.offset),
                          static_cast<std::size_t>(tensor.data.length));
  }
  ImportResult compress(const std::string& scheme) {
    request.compress->scheme = find_scheme(scheme, scheme.starts_with("W4") || scheme == "W8A16"
                                                       ? quantize::SchemeOptions{.group = 32}
                                                       : quantize::SchemeOptions{});
    return import();
  }
  Error refusal() {
    return test::error_of([&] { import(); });
  }

  std::mt19937_64 random = test::generator();
  test::ModelSource model;
};

TEST_F(CompressTest, EverySchemeMakesAReleaseThatServersLoad) {
  for (const std::string& name : quantize::scheme_names()) {
    SCOPED_TRACE(name);
    const Manifest manifest = compress(name).manifest;
    const quantize::Scheme& scheme = request.compress->scheme;
    const Json config = parse_json(stored(manifest, "config.json"), "config");
    EXPECT_EQ(config.at("num_hidden_layers"), 2);
    EXPECT_EQ(config.at("quantization_config"), quantize::quantization_config(scheme, {"lm_head"}));
    const Json index = parse_json(stored(manifest, kIndex), "index");
    std::uint64_t total = 0;
    std::size_t count = 0;
    for (const char* shard : {kFirst, kSecond})
      for (const auto& [tensor, info] : tensors_of(manifest, shard)) {
        EXPECT_EQ(index.at("weight_map").at(tensor), shard);
        total += info.data.length;
        ++count;
      }
    EXPECT_EQ(index.at("weight_map").size(), count);
    EXPECT_EQ(index.at("metadata").at("total_size"), total);
    const TensorInfo weight{"model.layers.1.mlp.up_proj.weight", "BF16", {64, 64}, {}};
    for (const TensorInfo& made : quantize::outputs_of(scheme, weight)) {
      const auto found = tensors_of(manifest, kSecond).at(made.name);
      EXPECT_EQ(found.dtype, made.dtype);
      EXPECT_EQ(found.shape, made.shape);
    }
    EXPECT_EQ(tensors_of(manifest, kSecond).at("lm_head.weight").dtype, "BF16");
    EXPECT_EQ(stored(manifest, "tokenizer.json"), "{}");
  }
}

TEST_F(CompressTest, TheRecordSaysWhatWasDoneToWhatAndHowWell) {
  ImportRequest plain = request;
  plain.compress.reset();
  plain.name = "plain";
  Progress progress;
  const Manifest base = run_import(plain, plan_import(plain, progress, {}), progress, {}).manifest;
  const Manifest manifest = compress("FP8_DYNAMIC").manifest;
  ASSERT_EQ(manifest.transforms.size(), 1u);
  EXPECT_EQ(manifest.transforms[0].at("scheme"), "FP8_DYNAMIC");
  EXPECT_EQ(manifest.transforms[0].at("method"), "rtn");
  EXPECT_EQ(manifest.transforms[0].at("weights"), 12);
  EXPECT_GT(manifest.transforms[0].at("bytes_before"), manifest.transforms[0].at("bytes_after"));
  EXPECT_EQ(manifest.lineage.at("base").at("root_digest"), base.root_digest);
  EXPECT_EQ(manifest.lineage.at("base").at("commit"), model.origin.commit);
  EXPECT_EQ(manifest.lineage.at("base_model"), "org/tiny");
  EXPECT_EQ(manifest.lineage.at("base_model_relation"), "quantized");
  EXPECT_EQ(manifest.find(kFirst)->weights.size(), 6u);
  for (const char* shard : {kFirst, kSecond})
    for (const WeightError& error : manifest.find(shard)->weights) {
      EXPECT_GT(error.relative, 0.001) << error.name;
      EXPECT_LT(error.relative, 0.04) << error.name;
      EXPECT_GT(error.cosine, 0.999) << error.name;
    }
  EXPECT_TRUE(manifest.find("config.json")->git_sha1.empty()) << "it is not the publisher's";
  EXPECT_FALSE(manifest.find("tokenizer.json")->git_sha1.empty());
  EXPECT_EQ(parse_manifest(to_json_text(manifest), "m"), manifest);
  EXPECT_EQ(registry.entries.at("tiny:1.0.0").properties.at("compressed"), "true");
  EXPECT_EQ(registry.entries.at("tiny:1.0.0").properties.at("quantization"), "FP8_DYNAMIC (rtn)");
}

TEST_F(CompressTest, FusedWeightsShareTheirFactorAlsoAcrossShards) {
  const Manifest manifest = compress("NVFP4A16").manifest;
  const std::string layer = "model.layers.0.", suffix = "_proj.weight_global_scale";
  const auto first = [&](const std::string& n) { return content_of(manifest, kFirst, n); };
  const auto second = [&](const std::string& n) { return content_of(manifest, kSecond, n); };
  const std::string q = first(layer + "self_attn.q" + suffix);
  EXPECT_EQ(q, first(layer + "self_attn.k" + suffix));
  EXPECT_EQ(q, second(layer + "self_attn.v" + suffix));
  EXPECT_NE(q, second(layer + "self_attn.o" + suffix));
  EXPECT_EQ(first(layer + "mlp.gate" + suffix), second(layer + "mlp.up" + suffix));
}

TEST_F(CompressTest, AShardWithoutSuchWeightsStaysAsItIs) {
  request.compress->ignore = {"*.q_proj", "*.k_proj", "*.v_proj", "*.gate_proj", "*.up_proj"};
  const Manifest manifest = compress("NVFP4A16").manifest;
  EXPECT_EQ(manifest.find(kFirst)->sha256, Sha256::hex_of(model.bytes(kFirst)));
  EXPECT_TRUE(manifest.find(kFirst)->weights.empty());
  EXPECT_EQ(manifest.transforms[0].at("weights"), 2);
  const Json map = parse_json(stored(manifest, kIndex), "index").at("weight_map");
  EXPECT_EQ(map.at("model.layers.0.self_attn.q_proj.weight"), kFirst);
  EXPECT_EQ(map.at("model.layers.0.self_attn.o_proj.weight_packed"), kSecond);
}

TEST_F(CompressTest, TheFirstPassOfNvfp4ShowsHowFarItIs) {
  Progress progress;
  std::atomic<std::uint64_t> most{0};
  model.before_read = [&](const std::string&, std::uint64_t) {
    const ProgressView view = progress.view();
    if (view.phase != "looking at the weights") return;
    std::uint64_t done = 0;
    for (const auto& file : view.active) done += file.done;
    most = std::max(most.load(), done);
  };
  request.compress->scheme = find_scheme("NVFP4A16");
  run_import(request, plan_import(request, progress, {}), progress, {});
  EXPECT_GT(most, model.bytes(kFirst).size() / 2);
}

TEST_F(CompressTest, AgainIsSuccessAndAnotherSchemeTheNextVersion) {
  EXPECT_EQ(compress("W8A8").manifest.version, "1.0.0");
  EXPECT_FALSE(compress("W8A8").changed);
  EXPECT_EQ(compress("FP8_DYNAMIC").manifest.version, "1.0.1") << "of the very same size";
  request.compress->ignore = {"*.o_proj"};
  EXPECT_EQ(import().manifest.version, "1.0.2");
  request.compress.reset();
  EXPECT_EQ(import().manifest.version, "1.0.3");
}

TEST_F(CompressTest, GoesOnAfterAStopAndIsTheSameThen) {
  const Manifest whole = compress("W8A8").manifest;
  request.name = "other";
  std::atomic<int> puts{0};
  store.after([&](const test::MemoryCall& call) { puts += call.verb == "put" ? 1 : 0; });
  const auto breaks_off = [&](const std::string& path, std::uint64_t offset) {
    if (path != kSecond || offset <= 20'000) return;
    while (puts < 3) std::this_thread::yield();  // some of it is stored by then
    throw Error(Code::network, "gone").from(Side::source);
  };
  model.before_read = breaks_off;
  EXPECT_EQ(refusal().code(), Code::network);
  EXPECT_GT(store.uploads(), 0u);
  // Of another scheme nothing is taken up, though all sizes are the same.
  model.before_read = nullptr;
  const Manifest fp8 = compress("FP8_DYNAMIC").manifest;
  EXPECT_EQ(fp8.version, "1.0.0");
  for (const auto& [name, info] : tensors_of(fp8, kFirst)) EXPECT_NE(info.dtype, "I8") << name;
  EXPECT_EQ(store.uploads(), 0u);

  request.name = "third";
  puts = 0;
  model.before_read = breaks_off;
  EXPECT_EQ(test::error_of([&] { compress("W8A8"); }).code(), Code::network);
  model.before_read = nullptr;
  const ImportResult again = import();
  EXPECT_EQ(again.manifest.root_digest, whole.root_digest);
  EXPECT_GT(again.stats.reused, 0u);
  EXPECT_EQ(again.manifest.find(kFirst)->weights, whole.find(kFirst)->weights)
      << "also of what the first run made";
  EXPECT_EQ(again.manifest.lineage.at("base"), whole.lineage.at("base"));
}

TEST_F(CompressTest, WrongBytesNeverBecomeARelease) {
  for (const char* scheme : {"W4A16", "NVFP4A16"}) {
    SCOPED_TRACE(scheme);
    model.after_read = [&](const std::string& path, std::uint64_t offset, MutableBytes out) {
      if (path == kFirst && offset <= 30'000 && offset + out.size() > 30'000)
        out[static_cast<std::size_t>(30'000 - offset)] ^= std::byte{4};
    };
    EXPECT_EQ(test::error_of([&] { compress(scheme); }).code(), Code::verification);
    EXPECT_FALSE(find_manifest(store, "tiny", "1.0.0", {}));
    EXPECT_THAT(store.keys("model-data/tiny/1.0.0/model-00001"), IsEmpty());
  }
}

TEST_F(CompressTest, AHeaderThatWasReadWrongIsNoticed) {
  model.after_read = [&](const std::string& path, std::uint64_t offset, MutableBytes out) {
    if (path != kFirst || offset != 0 || out.size() < 1'000) return;  // when it is planned
    const auto text = as_text(out);
    const auto at = text.find("q_proj");
    out[at] = std::byte{'x'};
  };
  const Error error = test::error_of([&] { compress("W8A8"); });
  EXPECT_EQ(error.code(), Code::verification) << error.what();
  EXPECT_FALSE(find_manifest(store, "tiny", "1.0.0", {}));
}

TEST_F(CompressTest, AFolderIsKnownAgainByWhatItHolds) {
  test::ModelSource folder;
  folder.origin = {"dir", "dir:/models/tiny", "", "", ""};
  fill(folder, test::MemorySource::Stated::nothing);
  use(folder);
  EXPECT_EQ(compress("W4A16").manifest.version, "1.0.0");
  EXPECT_FALSE(import().changed);
  test::ModelSource other;
  other.origin = folder.origin;
  fill(other, test::MemorySource::Stated::nothing);  // other numbers of the same shapes
  use(other);
  EXPECT_EQ(import().manifest.version, "1.0.1");
}

TEST_F(CompressTest, AReleaseBecomesTheNextVersion) {
  const auto other = std::make_shared<test::MemoryStore>(
      test::MemoryStoreOptions{.uri = "memory:/other", .part_size = 1'000});
  ImportRequest first = request;
  first.compress.reset();
  first.version = "2.0.0";
  for (Store* where : {static_cast<Store*>(&store), static_cast<Store*>(other.get())}) {
    first.store = where;
    Progress progress;
    run_import(first, plan_import(first, progress, {}), progress, {});
  }
  ReleaseSource release(other, {"tiny", "2.0.0", ""}, kDefaultTemplate);
  request.source = &release;
  const Manifest manifest = compress("W4A16").manifest;
  EXPECT_EQ(manifest.version, "2.0.1");
  EXPECT_EQ(manifest.lineage.at("base").at("version"), "2.0.0");
  EXPECT_FALSE(manifest.lineage.contains("copied_from"));
  use(model);
  EXPECT_FALSE(import().changed) << "the same as from where it was published";

  // A copy of the compressed one is the same release, with the same record.
  const auto third = std::make_shared<test::MemoryStore>(
      test::MemoryStoreOptions{.uri = "memory:/third", .part_size = 1'000});
  const std::shared_ptr<Store> here(&store, [](Store*) {});
  ReleaseSource compressed(here, {"tiny", "2.0.1", ""}, kDefaultTemplate);
  request.source = &compressed;
  request.store = third.get();
  request.compress.reset();
  const Manifest copy = import().manifest;
  EXPECT_EQ(copy.version, "2.0.1");
  EXPECT_EQ(copy.root_digest, manifest.root_digest);
  EXPECT_EQ(copy.transforms, manifest.transforms);
  EXPECT_EQ(copy.find(kFirst)->weights, manifest.find(kFirst)->weights);
  request.compress = CompressOptions{find_scheme("W8A8"), {}};
  const Error error = refusal();
  EXPECT_EQ(error.code(), Code::unsupported);
  EXPECT_THAT(error.what(), HasSubstr("quantized already (compressed-tensors)"));
}

TEST_F(CompressTest, WhatCannotBeCompressedIsRefusedBeforeAByteMoves) {
  const auto refused = [&](const std::string& path, const std::string& content,
                           const std::string& why) {
    SCOPED_TRACE(why);
    test::ModelSource odd;
    fill(odd);
    odd.add(path, Buffer(as_bytes(content).begin(), as_bytes(content).end()));
    use(odd);
    request.selection.all_files = true;
    const Error error = refusal();
    EXPECT_EQ(error.code(), Code::unsupported);
    EXPECT_THAT(error.what(), HasSubstr(why));
    EXPECT_FALSE(error.hint().empty());
    EXPECT_THAT(store.keys("model-data/"), IsEmpty());
  };
  refused("pytorch_model.bin", "pickle", "PyTorch weights are not compressed");
  refused("model.Q4_K_M.gguf", "gguf", "GGUF weights are not compressed");
  refused("config.json", R"({"quantization_config":{"quant_method":"awq"}})",
          "it is quantized already (awq)");
  request.compress->scheme = find_scheme("W4A16");
  refused("README.md", "#", "its 64 columns are no multiple of the group of 128; a group of 64");
}

TEST_F(CompressTest, NumbersThatAreNoneAreRefusedAndNamed) {
  for (const char* scheme : {"W4A16", "FP8_DYNAMIC", "NVFP4A16"}) {
    test::ModelSource damaged;
    fill(damaged);
    auto bad = tensor("model.layers.9.mlp.down_proj.weight", {64, 64});
    bad.bytes[3] = std::byte{0x7F};
    bad.bytes[2] = std::byte{0xC0};
    damaged.add(kFirst, test::safetensors_file(Tensors{bad}));
    damaged.add("config.json", Buffer{std::byte{'{'}, std::byte{'}'}});
    use(damaged);
    request.allows = {"not-servable"};
    const Error error = test::error_of([&] { compress(scheme); });
    EXPECT_EQ(error.code(), Code::unsupported) << scheme;
    EXPECT_THAT(error.what(), HasSubstr("model.layers.9.mlp.down_proj.weight"));
    EXPECT_FALSE(find_manifest(store, "tiny", "1.0.0", {}));
  }
}

}  // namespace
}  // namespace dray
