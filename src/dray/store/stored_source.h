// A stored release as a source: for pull, verify and moving releases between stores.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "dray/model/manifest.h"
#include "dray/source/source.h"
#include "dray/store/layout.h"
#include "dray/store/store.h"

namespace dray {

/// The files and digests are the manifest's; reads are pinned to one ETag a file. That is the
/// manifest's, or, where the object was rewritten since with the same size (a restored backup, a
/// replicated bucket), the one found at the first read; whether the bytes are still right is for
/// the digests to prove. Thread-safe. Borrows the store.
class StoredSource : public Source {
 public:
  StoredSource(Store& store, Manifest manifest, std::string_view place = kDefaultTemplate);

  Snapshot snapshot(const std::stop_token& stop) override;
  /// Code::verification when the object changed while it was read or has another size than the
  /// manifest says; Code::not_found when it is missing.
  void read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
            const std::stop_token& stop) override;
  std::string name() const override;

 private:
  struct Pin {
    std::string etag;
    bool used = false;  // a read with it succeeded, so another ETag means a change under way
  };
  std::string key_of(const FileEntry& file) const { return prefix_ + file.path; }
  Pin pin_of(const FileEntry& file);
  /// The ETag to go on with after `refused` was.
  std::string pin_again(const FileEntry& file, const std::string& refused,
                        const std::stop_token& stop);

  Store& store_;
  const Manifest manifest_;
  const std::string prefix_;
  std::mutex mutex_;
  std::map<std::string, Pin> pins_;
};

}  // namespace dray
