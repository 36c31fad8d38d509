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
/// tag away. An artifact within the image's index has the tag "{version}-modelpack", too, which
/// comes before and goes after. Everything else (journals, claims) has no place in a registry and
/// lies in another store. Thread-safe.
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
  /// What the registry tells of a record without handing it out.
  struct Named {
    std::string name, version;
    oci::Descriptor artifact;
  };
  /// Records that refer to what the tag or digest leads to, of a tag those of its version.
  std::vector<Named> named(const std::string& reference, const std::stop_token& stop);
  /// One for each tag that is a release, with the key of its manifest; sorted by it.
  std::map<std::string, Named> releases(const std::stop_token& stop);
  std::optional<std::string> read(const Named& named, const std::stop_token& stop);
  void check_artifact_tag(const std::string& tag, const std::string& digest,
                          const std::stop_token& stop);
  void put_artifact_tag(const std::string& tag, const std::string& digest,
                        const std::stop_token& stop);
  std::string beside_key(const std::string& key) const;

  const std::shared_ptr<oci::Client> client_;
  const std::shared_ptr<Store> beside_;
  const std::string corner_;  // of the other store: one for each repository
};

}  // namespace dray
