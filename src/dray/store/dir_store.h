// A directory as a store: "dir:/path". Files lie at root/key, dray's own records below root/.dray/.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "dray/store/dir_tree.h"
#include "dray/store/store.h"

namespace dray {

/// Objects are written to root/.dray/tmp/<id> and get their name, synced, when they are complete; a
/// name once given is never overwritten. Works on local file systems, NFS and CephFS, also with
/// several machines at once. Reads and lists follow symbolic links. Everything on the way must be
/// on one file system.
class DirStore : public Store {
 public:
  /// `root` absolute; made by preflight().
  explicit DirStore(const std::filesystem::path& root);
  ~DirStore() override;

  const StoreProperties& properties() const override { return properties_; }
  /// Makes the root, proves that names can be given safely there, and removes temporary files of
  /// small objects that a crash left more than a day ago.
  void preflight(const std::stop_token& stop) override;
  StateStore& state() override;
  /// Parts of 16 MiB, any order.
  PartLayout layout(std::uint64_t object_size) const override;
  std::unique_ptr<Upload> begin(const ObjectSpec& spec, const SavedUpload* saved,
                                const std::stop_token& stop) override;
  StoredObject create(const ObjectSpec& spec, Bytes bytes, const std::string& sha256,
                      const std::stop_token& stop) override;
  /// Shares blocks where the file system can (Btrfs, XFS), else copies on this machine.
  std::optional<StoredObject> copy(const StoredObject& from, const ObjectSpec& spec,
                                   const std::stop_token& stop) override;
  std::optional<CutLimits> range_copies(const StoredObject& from, std::uint64_t object_size,
                                        const std::stop_token& stop) override;
  std::optional<StoredObject> stat(const std::string& key, const std::stop_token& stop) override;
  std::vector<Listed> list(const std::string& prefix, const std::stop_token& stop) override;
  std::vector<std::string> list_names(const std::string& prefix,
                                      const std::stop_token& stop) override;
  void read(const std::string& key, const std::string& etag, std::uint64_t offset, MutableBytes out,
            const std::stop_token& stop) override;
  void remove(const std::string& key, const std::stop_token& stop) override;
  std::vector<UnfinishedUpload> unfinished(const std::string& prefix,
                                           const std::stop_token& stop) override;
  void abandon(const UnfinishedUpload& upload, const std::stop_token& stop) override;
  std::string serving_uri(const std::string& key) const override;
  /// Of the file system that holds the root or, before it is made, its nearest existing parent.
  std::optional<std::uint64_t> free_bytes() override;

 private:
  class DirState;

  dir::Tree tree_;
  StoreProperties properties_;
  std::unique_ptr<DirState> state_;
};

}  // namespace dray
