// A bucket, or a prefix in one, as a store: "s3://bucket[/prefix]".
#pragma once

#include <memory>
#include <string>

#include "dray/store/s3_place.h"
#include "dray/store/store.h"

namespace dray {

/// Relies on what the endpoint proved and nothing else (probe.h). The first write to an unknown
/// endpoint asks it.
class S3Store : public Store {
 public:
  explicit S3Store(S3StoreOptions options);
  ~S3Store() override;

  const StoreProperties& properties() const override { return properties_; }
  void preflight(const std::stop_token& stop) override;
  StateStore& state() override { return *state_; }
  /// Parts of 32 MiB, larger for objects that would have more than 9,000.
  PartLayout layout(std::uint64_t object_size) const override;
  std::unique_ptr<Upload> begin(const ObjectSpec& spec, const SavedUpload* saved,
                                const std::stop_token& stop) override;
  StoredObject create(const ObjectSpec& spec, Bytes bytes, const std::string& sha256,
                      const std::stop_token& stop) override;
  /// In one request, or by ranges above 5 GiB. Retries its requests.
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

  /// What the endpoint honours; asks it if that is not known yet.
  S3Capabilities capabilities(const std::stop_token& stop) { return place_->capabilities(stop); }

 private:
  std::shared_ptr<S3Place> place_;
  StoreProperties properties_;
  std::unique_ptr<StateStore> state_;
};

}  // namespace dray
