// A source in memory, for the engine's tests: random access or in order only, with faults to order.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dray/source/source.h"

namespace dray::test {

/// Thread-safe. Digests stated are those of the right bytes, whatever the faults serve.
class MemorySource : public Source {
 public:
  explicit MemorySource(bool random_access = true) : random_access_(random_access) {}

  /// How its bytes are stated: SHA-256 (as LFS files), git SHA-1 (as small files), or not at all.
  enum class Stated { sha256, git_sha1, nothing };
  FileEntry add(const std::string& path, Buffer bytes, Stated stated = Stated::sha256);
  const Buffer& bytes(const std::string& path) const { return files_.at(path).bytes; }

  /// Called with path and offset before every read (of a block, or in order); may throw. Set before
  /// threads start.
  std::function<void(const std::string& path, std::uint64_t offset)> before_read;
  /// Called with what a read gives; may change it.
  std::function<void(const std::string& path, std::uint64_t offset, MutableBytes out)> after_read;

  Snapshot snapshot(const std::stop_token& stop) override;
  void read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
            const std::stop_token& stop) override;
  bool random_access() const override { return random_access_; }
  std::unique_ptr<OrderedReader> open_ordered(const std::vector<FileEntry>& files,
                                              const std::stop_token& stop) override;
  std::string name() const override { return "memory:/source"; }
  std::uint64_t bytes_read() const { return bytes_read_; }
  std::size_t passes() const { return passes_; }
  /// Most bytes handed out that were read at once, to see the parallelism.
  int most_parallel() const { return most_parallel_; }

 private:
  class Reader;
  struct File {
    FileEntry entry;
    Buffer bytes;
  };
  void give(const std::string& path, std::uint64_t offset, MutableBytes out);

  const bool random_access_;
  std::map<std::string, File> files_;
  std::atomic<std::uint64_t> bytes_read_{0};
  std::atomic<std::size_t> passes_{0};
  std::atomic<int> parallel_{0}, most_parallel_{0};
};

}  // namespace dray::test
