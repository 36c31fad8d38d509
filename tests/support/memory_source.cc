#include "tests/support/memory_source.h"

#include <cstring>

#include "dray/base/digest.h"

namespace dray::test {

FileEntry MemorySource::add(const std::string& path, Buffer bytes, Stated stated) {
  FileEntry entry{path, bytes.size(), {}};
  if (stated == Stated::sha256) entry.digests.sha256 = Sha256::hex_of(bytes);
  if (stated == Stated::git_sha1) entry.digests.git_sha1 = GitBlobSha1::hex_of(bytes);
  files_[path] = {entry, std::move(bytes)};
  return entry;
}

Snapshot MemorySource::snapshot(const std::stop_token&) {
  Snapshot snapshot;
  snapshot.origin = {"hf", "hf://test/model", "main", std::string(40, 'a'), ""};
  snapshot.default_name = "model";
  for (const auto& [path, file] : files_) snapshot.files.push_back(file.entry);
  return snapshot;
}

void MemorySource::give(const std::string& path, std::uint64_t offset, MutableBytes out) {
  const int now = ++parallel_;
  for (int most = most_parallel_; now > most && !most_parallel_.compare_exchange_weak(most, now);) {
  }
  struct Leave {
    std::atomic<int>& parallel;
    ~Leave() { --parallel; }
  } leave{parallel_};
  if (before_read) before_read(path, offset);
  std::memcpy(out.data(), files_.at(path).bytes.data() + offset, out.size());
  bytes_read_ += out.size();
  if (after_read) after_read(path, offset, out);
}

void MemorySource::read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
                        const std::stop_token&) {
  give(file.path, offset, out);
}

class MemorySource::Reader : public OrderedReader {
 public:
  Reader(MemorySource& source, std::vector<FileEntry> files)
      : source_(source), files_(std::move(files)) {}
  const FileEntry* next() override {
    if (at_ == files_.size()) return nullptr;
    offset_ = 0;
    return &files_[at_++];
  }
  void read(MutableBytes out) override {
    source_.give(files_[at_ - 1].path, offset_, out);
    offset_ += out.size();
  }

 private:
  MemorySource& source_;
  std::vector<FileEntry> files_;
  std::size_t at_ = 0;
  std::uint64_t offset_ = 0;
};

std::unique_ptr<OrderedReader> MemorySource::open_ordered(const std::vector<FileEntry>& files,
                                                          const std::stop_token&) {
  ++passes_;
  return std::make_unique<Reader>(*this, files);
}

}  // namespace dray::test
