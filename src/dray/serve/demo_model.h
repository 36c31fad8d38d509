// A small model that exists only as a rule: for demonstrations and tests without a network.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/source/source.h"

namespace dray {

/// A model of the Llama architecture with its real tensor names, some 60 MB: two bf16 safetensors
/// shards with their index, config, generation config, tokenizer, README with a YAML head. Weights
/// are random numbers made from their position when they are read; nothing lies on disk and no
/// shard in memory. The same bytes on every machine. Thread-safe.
class DemoModel : public Source {
 public:
  DemoModel();
  ~DemoModel() override;
  /// States digests: SHA-256 of the shards, git's of the rest. The first call computes them.
  Snapshot snapshot(const std::stop_token& stop) override;
  void read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
            const std::stop_token& stop) override;
  std::string name() const override { return "demo://tiny-llama"; }

 private:
  struct Shard;
  std::map<std::string, std::string> texts_;
  std::map<std::string, Shard> shards_;
  std::mutex mutex_;
  std::vector<FileEntry> files_;  // with digests; guarded by mutex_, empty until computed
};

}  // namespace dray
