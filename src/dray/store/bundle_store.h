// The releases of a bundle as a store that can only be read: for loading and verifying.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dray/model/bundle_record.h"
#include "dray/source/source.h"
#include "dray/store/bundle_tree.h"
#include "dray/store/store.h"

namespace dray {

/// Files lie under the keys of the default place, `model-data/{name}/{version}/…`, also those that
/// are left out of the bundle, once lend() said who has them. Thread-safe after that.
class BundleStore final : public Store {
 public:
  /// `uri` for messages.
  BundleStore(std::string uri, const BundleRecord& record, std::shared_ptr<const BundleTree> tree);

  /// A file that was left out is read from `source` as `entry`.
  void lend(const BundleRelease& release, const BundleFile& file, std::shared_ptr<Source> source,
            FileEntry entry);

  const StoreProperties& properties() const override { return properties_; }
  void preflight(const std::stop_token&) override {}
  StateStore& state() override;
  PartLayout layout(std::uint64_t object_size) const override;
  std::unique_ptr<Upload> begin(const ObjectSpec&, const SavedUpload*,
                                const std::stop_token&) override;
  StoredObject create(const ObjectSpec&, Bytes, const std::string&,
                      const std::stop_token&) override;
  std::optional<StoredObject> copy(const StoredObject&, const ObjectSpec&,
                                   const std::stop_token&) override;
  std::optional<StoredObject> stat(const std::string& key, const std::stop_token&) override;
  std::vector<Listed> list(const std::string& prefix, const std::stop_token&) override;
  std::vector<std::string> list_names(const std::string& prefix, const std::stop_token&) override;
  void read(const std::string& key, const std::string& etag, std::uint64_t offset, MutableBytes out,
            const std::stop_token& stop) override;
  void remove(const std::string&, const std::stop_token&) override;
  std::vector<UnfinishedUpload> unfinished(const std::string&, const std::stop_token&) override;
  void abandon(const UnfinishedUpload&, const std::stop_token&) override;
  std::string serving_uri(const std::string& key) const override;

 private:
  struct Place {
    std::uint64_t size = 0;
    std::string in_bundle;           // key in the tree; "" = elsewhere
    std::shared_ptr<Source> source;  // … here, null = nowhere
    FileEntry entry;
  };

  StoreProperties properties_;
  const std::shared_ptr<const BundleTree> tree_;
  std::map<std::string, Place> places_;  // by key
};

}  // namespace dray
