// A repository of a registry as a store: releases are images, versions are tags.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "dray/oci/client.h"
#include "dray/store/layout.h"
#include "dray/store/oci_base.h"
#include "dray/store/oci_layers.h"
#include "dray/store/oci_state.h"
#include "dray/store/oci_upload.h"
#include "dray/store/store.h"

namespace dray {

enum class ImageFormat {
  modelcar,   // an image that KServe serves
  modelpack,  // a CNCF ModelPack artifact of raw files
  both,       // one index of the two
};

struct OciStoreOptions {
  oci::ClientOptions client;       // of the repository, with the right to write
  std::shared_ptr<Store> state;    // where transfers keep their journals
  OpenRepository open_repository;  // for the base image
  ImageFormat format = ImageFormat::modelcar;
  std::string base{kDefaultBase};
  std::vector<std::string> architectures = {};  // empty = amd64 and arm64, where the base has them
  LayerRules layers = {};
  std::uint64_t part_size = 16 * kMiB;  // what is in memory at once; registries see long requests
  std::string place{kDefaultTemplate};  // of keys; nothing of it is seen in the registry
};

/// Layers and raw files are blobs; what a tag points to makes a release exist. A release's record
/// refers to its image (OCI referrers), so images stay as they would be without dray. Keys of a
/// published release's files are read as ranges of the blobs that they lie in.
class OciStore final : public Store {
 public:
  explicit OciStore(OciStoreOptions options);

  /// The release whose record refers to what the tag or digest names; nullopt for images that dray
  /// did not make.
  std::optional<Manifest> release_of(const std::string& reference, const std::stop_token& stop);
  /// Takes an image away that dray did not make: its tag, or where `tag` is "" the manifest of this
  /// digest unless a tag names it. Returns why it was left, "" if it was not. Code::unsupported
  /// where the registry does not let it.
  std::string remove_image(const std::string& tag, const std::string& digest,
                           const std::stop_token& stop);
  std::shared_ptr<oci::Images> images() const { return client_; }
  oci::Client& client() { return *client_; }
  const std::string& place() const { return options_.place; }

  const StoreProperties& properties() const override { return properties_; }
  void preflight(const std::stop_token& stop) override;
  StateStore& state() override { return state_; }
  std::vector<PackedObject> pack(const std::string& prefix,
                                 const std::vector<FileToStore>& files) const override;
  /// Pushes configurations, manifests and index by their digests: nothing has a name yet.
  void seal(Manifest& manifest, const std::stop_token& stop) override;
  PartLayout layout(std::uint64_t object_size) const override;
  std::unique_ptr<Upload> begin(const ObjectSpec& spec, const SavedUpload* saved,
                                const std::stop_token& stop) override;
  StoredObject create(const ObjectSpec& spec, Bytes bytes, const std::string& sha256,
                      const std::stop_token& stop) override;
  /// Of a blob with this digest (its ETag): there already, or mounted from the repository that is
  /// its key ("host/name"), where that is one of the same registry.
  std::optional<StoredObject> copy(const StoredObject& from, const ObjectSpec& spec,
                                   const std::stop_token& stop) override;
  std::optional<StoredObject> stat(const std::string& key, const std::stop_token& stop) override;
  std::vector<Listed> list(const std::string& prefix, const std::stop_token& stop) override;
  std::vector<std::string> list_names(const std::string& prefix,
                                      const std::stop_token& stop) override;
  void read(const std::string& key, const std::string& etag, std::uint64_t offset, MutableBytes out,
            const std::stop_token& stop) override;
  /// A registry's own clean-up removes blobs that no manifest names.
  void remove(const std::string& key, const std::stop_token& stop) override;
  /// Registries do not tell, and forget them by themselves.
  std::vector<UnfinishedUpload> unfinished(const std::string& prefix,
                                           const std::stop_token& stop) override;
  void abandon(const UnfinishedUpload& upload, const std::stop_token& stop) override;
  /// "oci://host/repository:version": what KServe takes.
  std::string serving_uri(const std::string& key) const override;

 private:
  std::shared_ptr<const Manifest> release_at(const std::string& key, const std::stop_token& stop);
  std::shared_ptr<const Manifest> release_of_record(const std::string& key,
                                                    const std::stop_token& stop);
  const BaseChoice& base(const std::stop_token& stop);
  std::uint64_t size_of(const std::string& digest, const std::stop_token& stop);
  std::vector<ImageText> seal_modelcars(const Manifest& release,
                                        const std::vector<ModelBlob>& blobs, Json& image,
                                        const std::stop_token& stop);
  ImageText seal_modelpack(const Manifest& release, const std::vector<ModelBlob>& blobs,
                           const std::stop_token& stop);
  ImageText push(BuiltImage image, const std::stop_token& stop);
  void find_sizes(std::vector<ModelBlob>& blobs, const std::stop_token& stop);

  const OciStoreOptions options_;
  const std::shared_ptr<oci::Client> client_;
  const std::shared_ptr<OciUploadTraits> traits_ = std::make_shared<OciUploadTraits>();
  const StoreProperties properties_;
  OciState state_;

  std::mutex mutex_;
  std::optional<BaseChoice> base_;
  std::map<std::string, std::uint64_t> sizes_;                       // of blobs, by digest
  std::map<std::string, std::shared_ptr<const Manifest>> releases_;  // by key of their manifest
};

}  // namespace dray
