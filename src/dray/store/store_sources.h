// What lies in a store, as sources of an import. They keep their store.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dray/model/manifest.h"
#include "dray/model/reference.h"
#include "dray/source/source.h"
#include "dray/store/layout.h"
#include "dray/store/store.h"

namespace dray {

/// A release of a store, found when the snapshot is taken and verified by its manifest. Its origin
/// is the release's own, so that copies in several stores are of the same model. Errors of the
/// look-up as of resolve_release.
class ReleaseSource : public Source {
 public:
  using Otherwise = std::function<std::unique_ptr<Source>()>;
  using Look = std::function<std::optional<Manifest>(Store&, const std::stop_token&)>;

  /// What `reference` stands for. With `otherwise` it is an exact version, and where the store has
  /// no manifest of it, this is what `otherwise` makes.
  ReleaseSource(std::shared_ptr<Store> store, Reference reference, std::string_view place,
                Otherwise otherwise = nullptr);
  /// What `look` finds, called `name` until then; without it what `otherwise` makes.
  ReleaseSource(std::shared_ptr<Store> store, std::string name, Look look, std::string_view place,
                Otherwise otherwise);

  /// After snapshot(): the release's record, which a copy keeps; nullptr where there is none.
  const Manifest* manifest() const { return manifest_ ? &*manifest_ : nullptr; }
  std::string store_uri() const { return store_->properties().uri; }
  Store& store() const { return *store_; }

  Snapshot snapshot(const std::stop_token& stop) override;
  void read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
            const std::stop_token& stop) override {
    found_->read(file, offset, out, stop);
  }
  bool random_access() const override { return found_->random_access(); }
  std::unique_ptr<OrderedReader> open_ordered(const std::vector<FileEntry>& files,
                                              const std::stop_token& stop) override {
    return found_->open_ordered(files, stop);
  }
  std::vector<BlobPlace> blobs_of(const FileEntry& file) const override;
  std::string name() const override;

 private:
  std::unique_ptr<Source> find(const std::stop_token& stop);

  const std::shared_ptr<Store> store_;
  const std::string sought_;  // for messages
  const Look look_;
  const std::string place_;
  const Otherwise otherwise_;
  std::optional<Manifest> manifest_;  // this and the next are set by snapshot()
  std::unique_ptr<Source> found_;
  std::map<std::string, std::vector<BlobPlace>, std::less<>> blobs_;  // by path
};

/// All objects of the store, which is a plain prefix without records of dray. No digest is stated,
/// so an import must allow "unverified-source"; reads are pinned to the ETags of the listing.
/// Code::usage where the store holds releases: then one of them is meant.
std::unique_ptr<Source> prefix_source(std::shared_ptr<Store> store);

}  // namespace dray
