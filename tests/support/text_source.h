// A source made of texts in memory.
#pragma once

#include <algorithm>
#include <atomic>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "dray/base/error.h"
#include "dray/source/source.h"

namespace dray::test {

/// States no digests unless told to. Counts what is asked of it.
class TextSource : public Source {
 public:
  explicit TextSource(std::map<std::string, std::string> files) : files_(std::move(files)) {}

  Snapshot snapshot(const std::stop_token&) override {
    ++snapshots;
    if (fail_next) {
      fail_next = false;
      throw Error(Code::network, "connection reset").transient();
    }
    Snapshot out;
    out.origin = origin;
    out.default_name = "model";
    for (const auto& [path, text] : files_)
      out.files.push_back({.path = path, .size = text.size(), .digests = digests[path]});
    return out;
  }
  void read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
            const std::stop_token&) override {
    read_bytes += out.size();
    const auto text = std::string_view(files_.at(file.path)).substr(offset, out.size());
    std::copy(text.begin(), text.end(), reinterpret_cast<char*>(out.data()));
  }
  bool random_access() const override { return ranges; }
  std::string name() const override { return "text"; }

  Origin origin{.kind = "dir", .uri = "dir:/m", .revision = "", .commit = "", .endpoint = ""};
  std::map<std::string, Digests> digests;
  bool ranges = true;
  std::atomic<bool> fail_next{false};
  std::atomic<int> snapshots{0};
  std::atomic<std::uint64_t> read_bytes{0};

 private:
  std::map<std::string, std::string> files_;
};

}  // namespace dray::test
