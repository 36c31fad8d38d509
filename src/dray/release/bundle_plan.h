// What goes into a bundle, before its first byte.
#pragma once

#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "dray/model/bundle_record.h"
#include "dray/model/manifest.h"
#include "dray/model/reference.h"
#include "dray/source/source.h"
#include "dray/store/store.h"

namespace dray {

/// An earlier bundle, whose content is left out.
struct Since {
  BundleRecord record;
  std::string name;  // what its file or folder is called
};

struct BundlePlan {
  BundleRecord record;              // without volumes
  std::vector<Manifest> manifests;  // as the bundle holds them, in the order of record.releases
  std::vector<std::string> texts;   // … and as text
  std::vector<Manifest> stored;     // as the store has them
};

/// Resolves the references, each release once. A file whose SHA-256 one of `since` knows, or one
/// that these build on, is left out. The manifests say where the release is from; what was true of
/// the store's objects alone (ETags, blobs, images) is not in them. Code::not_found as
/// resolve_release.
BundlePlan plan_bundle(Store& store, const std::vector<Reference>& references,
                       const std::vector<Since>& since, const std::stop_token& stop);

/// The files that the bundle holds, under their keys in it, read from the store.
class BundleContents final : public Source {
 public:
  /// Borrows the store. `place` is the store's.
  BundleContents(Store& store, const BundlePlan& plan, std::string_view place);
  Snapshot snapshot(const std::stop_token&) override { return {}; }
  void read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
            const std::stop_token& stop) override;
  std::string name() const override { return name_; }

 private:
  struct Origin {
    Source* release = nullptr;
    std::string path;
  };
  std::string name_;
  std::vector<std::unique_ptr<Source>> releases_;
  std::map<std::string, Origin, std::less<>> origins_;  // by key
};

}  // namespace dray
