// The small objects beside an OCI repository's releases.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dray/model/manifest.h"
#include "dray/oci/client.h"
#include "dray/store/state.h"
#include "dray/store/store.h"

namespace dray {

/// Keys of releases' manifests (".dray/releases/{name}/{version}.json") are tags: a tag and the
/// record that refers to what it points to make a release exist. To create such a key is to put
/// the record beside the image that the manifest names, then the tag; to remove it is to take the
/// tag away. Everything else (journals, claims) has no place in a registry and lies in another
/// store. Thread-safe.
class OciState final : public StateStore {
 public:
  OciState(std::shared_ptr<oci::Client> client, std::shared_ptr<Store> beside);

  std::optional<std::string> get(const std::string& key, const std::stop_token& stop) override;
  bool create_if_absent(const std::string& key, std::string_view content,
                        const std::stop_token& stop) override;
  void put(const std::string& key, std::string_view content, const std::stop_token& stop) override;
  std::vector<StateItem> list(const std::string& prefix, const std::stop_token& stop) override;
  void remove(const std::string& key, const std::stop_token& stop) override;

  /// The record of the release that a tag or digest is; nullopt for images that dray did not make.
  std::optional<std::string> record_text(const std::string& reference, const std::stop_token& stop);
  /// As Store::list_names, of keys below ".dray/".
  std::vector<std::string> list_names(const std::string& prefix, const std::stop_token& stop);

 private:
  struct Record {
    std::string name, version, text;
  };
  /// What the tag is the release of; nullopt for images that dray did not make.
  std::optional<Record> record_of(const std::string& reference, const std::stop_token& stop);
  std::vector<Record> records(const std::stop_token& stop);
  std::string beside_key(const std::string& key) const;

  const std::shared_ptr<oci::Client> client_;
  const std::shared_ptr<Store> beside_;
  const std::string corner_;  // of the other store: one for each repository
};

}  // namespace dray
