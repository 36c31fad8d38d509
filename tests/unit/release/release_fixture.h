// A small servable model in memory, a store in memory, and what imports need.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/release/import.h"
#include "dray/release/verify.h"
#include "dray/store/catalog.h"
#include "tests/support/memory_source.h"
#include "tests/support/memory_store.h"
#include "tests/support/random.h"

namespace dray::test {

/// The memory source with an origin that tests can change.
class ModelSource : public MemorySource {
 public:
  using MemorySource::MemorySource;
  Snapshot snapshot(const std::stop_token& stop) override {
    Snapshot snapshot = MemorySource::snapshot(stop);
    snapshot.origin = origin;
    snapshot.default_name = name;
    return snapshot;
  }
  Origin origin{"hf", "hf://org/tiny", "main", std::string(40, 'a'), "https://hub.example"};
  std::string name = "tiny";
};

/// Registry in memory that can be down.
class MemoryRegistry : public Registry {
 public:
  std::string name() const override { return "memory"; }
  void check(const std::stop_token&) override {}
  RegisteredIds put(const Registration& registration, const std::stop_token&) override {
    if (down) throw Error(Code::network, "connection refused").from(Side::registry).transient();
    if (before_put) before_put();
    const bool changed =
        entries.emplace(registration.name + ":" + registration.version, registration).second;
    return {"1", "2", "3", changed};
  }
  std::optional<RegisteredVersion> find(const std::string&, const std::string&,
                                        const std::stop_token&) override {
    return std::nullopt;
  }
  std::vector<RegisteredVersion> list(const std::stop_token&) override { return {}; }
  std::vector<RegisteredIds> put_all(std::span<const Registration> registrations,
                                     const std::stop_token& stop) override {
    std::vector<RegisteredIds> out;
    for (const Registration& registration : registrations) out.push_back(put(registration, stop));
    return out;
  }
  bool project_aliases(const ModelAliases& model, const std::stop_token&) override {
    if (down) throw Error(Code::network, "connection refused").from(Side::registry).transient();
    return std::exchange(aliases[model.name], model.versions) != model.versions;
  }
  bool set_state(const std::string& name, const std::string& version, const std::string& state,
                 const std::stop_token&) override {
    if (down) throw Error(Code::network, "connection refused").from(Side::registry).transient();
    return std::exchange(states[name + ":" + version], state) != state;
  }
  bool move(const ArtifactMove& change, const std::stop_token&) override {
    if (down) throw Error(Code::network, "connection refused").from(Side::registry).transient();
    moves.push_back(change);
    return true;
  }
  std::vector<RegisteredService> services(const std::stop_token&) override { return {}; }
  std::vector<ArtifactMove> moves;
  std::map<std::string, Registration> entries;
  std::map<std::string, std::map<std::string, std::string>> aliases;  // by model
  std::map<std::string, std::string> states;                          // by NAME:VERSION
  bool down = false;
  std::function<void()> before_put;
};

struct ReleaseFixture : testing::Test {
  ReleaseFixture() {
    fill(source);
    request.source = &source;
    request.store = &store;
    request.registry = &registry;
    request.transfer.block = 250;
    request.transfer.connections = 4;
    request.transfer.uploads = 2;
    request.transfer.retry.tries = 3;
    request.transfer.retry.sleep = [](std::stop_token stop, std::chrono::milliseconds) {
      return !stop.stop_requested();
    };
  }

  static void fill(ModelSource& model) {
    const auto text = [](std::string_view t) {
      return Buffer(as_bytes(t).begin(), as_bytes(t).end());
    };
    const auto git = MemorySource::Stated::git_sha1;
    model.add("config.json", text(R"({"architectures":["LlamaForCausalLM"],"model_type":"llama"})"),
              git);
    model.add("tokenizer.json", text("{}"), git);
    model.add("tokenizer_config.json", text("{}"), git);
    model.add("README.md", text("---\nlicense: mit\n---\n# Tiny\n"), git);
    model.add("model-00001-of-00002.safetensors", pattern(4'300, 1));
    model.add("model-00002-of-00002.safetensors", pattern(900, 2));
    model.add(
        "model.safetensors.index.json",
        text(
            R"({"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}})"),
        git);
  }

  ImportResult import(const std::stop_token& stop = {}) {
    Progress progress;
    const ImportPlan plan = plan_import(request, progress, stop);
    return run_import(request, plan, progress, stop);
  }

  /// The release's bytes are the source's, and nothing else lies below its prefix.
  void expect_intact(MemoryStore& where, ModelSource& model, const Manifest& manifest) {
    const std::string prefix = release_prefix(manifest.name, manifest.version);
    EXPECT_EQ(where.keys(prefix).size(), manifest.files.size());
    for (const auto& file : manifest.files) {
      EXPECT_EQ(where.content(prefix + file.path), std::string(as_text(model.bytes(file.path))))
          << file.path;
      EXPECT_EQ(file.sha256, Sha256::hex_of(model.bytes(file.path)));
    }
  }

  ModelSource source;
  MemoryStore store{{.part_size = 1'000}};
  MemoryRegistry registry;
  ImportRequest request;
};

}  // namespace dray::test
