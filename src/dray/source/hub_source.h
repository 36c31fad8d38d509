// A model repository of the Hugging Face Hub, or of a mirror that speaks its API.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "dray/hub/client.h"
#include "dray/hub/reference.h"
#include "dray/source/source.h"

namespace dray {

/// Pinned to the commit that the revision stands for at snapshot(); where a mirror states no
/// commit, to the sizes and ETags seen first. A file of which neither listing nor headers state a
/// digest has empty Digests: the caller decides whether that will do. random_access() is known
/// after snapshot(), which fetches one byte to find out (and to be refused before anything else is
/// done, if access is not granted).
class HubSource : public Source {
 public:
  /// `ref` as parsed; no revision means "main".
  HubSource(hub::RepoRef ref, hub::ClientOptions options);

  Snapshot snapshot(const std::stop_token& stop) override;
  void read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
            const std::stop_token& stop) override;
  bool random_access() const override { return ranges_; }
  std::unique_ptr<OrderedReader> open_ordered(const std::vector<FileEntry>& files,
                                              const std::stop_token& stop) override;
  std::string name() const override { return ref_.uri(); }

 private:
  std::vector<hub::RepoFile> list(const hub::RepoInfo& info, const std::stop_token& stop);
  void fill_in(std::vector<hub::RepoFile>& files, const std::stop_token& stop);
  void probe(const std::vector<hub::RepoFile>& files, const std::stop_token& stop);

  const hub::RepoRef ref_;
  hub::Client client_;
  hub::Pin pin_;  // set by snapshot()
  std::atomic<bool> ranges_ = true;
};

}  // namespace dray
