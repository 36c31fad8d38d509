// Model registries: where people look models up.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/base/secret.h"
#include "dray/base/time.h"
#include "dray/model/manifest.h"

namespace dray {

/// What is written about a release. Made from a manifest by `registration_of`.
struct Registration {
  std::string name, version;
  std::string uri;       // "s3://bucket/model-data/name/version/"
  UnixTime created = 0;  // when the release was made; 0: not known
  std::string description;
  std::string author;
  std::string format_name = "safetensors", format_version = "1";
  std::string source_kind, source_class, source_group, source_name, source_id;  // modelSource*
  std::map<std::string, std::string> properties;  // strings only: the Kubeflow UI hides booleans
};

struct RegisteredIds {
  std::string model_id, version_id, artifact_id;
  bool changed = false;  // false: everything was already there and equal
};

/// One change of the place of an artifact, as its history tells.
struct PlaceMove {
  std::string from, to, actor;
  UnixTime time = 0;
  bool undo = false;                      // it pointed the entry back
  std::string storage_key, storage_path;  // of the old place, where the artifact had them
  bool operator==(const PlaceMove&) const = default;
};

struct RegisteredArtifact {
  std::string id, uri;
  bool main = false;             // the one that clients are given
  std::vector<PlaceMove> moves;  // newest first; see docs/formats/moved-entries.md
};

struct RegisteredVersion {
  std::string name, version, uri, state;  // state: LIVE or ARCHIVED
  std::vector<std::string> other_uris;    // further places of the same bytes
  std::map<std::string, std::string> properties;
  std::string model_id, version_id;
  std::vector<RegisteredArtifact> artifacts;  // those of uri and other_uris
};

/// What `Registry::move` changes.
struct ArtifactMove {
  std::string version_id, artifact_id;
  std::string from, to;  // URIs: what the artifact must say, and what it is to say
  std::string actor;     // for its history
  bool undo = false;
  std::string storage_key, storage_path;  // of the new place; "" = none
  /// Properties of the version that are added where they are missing; a `root_digest` that is there
  /// must be the same.
  std::map<std::string, std::string> properties;
};

/// A deployment that the registry knows.
struct RegisteredService {
  std::string name, model_id;
  std::string version_id;  // "" = the newest of the model
  bool deployed = true;    // what is wanted of it
};

/// Where the aliases of one model point: alias → version.
struct ModelAliases {
  std::string name;
  std::map<std::string, std::string> versions;
};

/// Thread-safe. Errors carry Side::registry.
class Registry {
 public:
  virtual ~Registry() = default;
  /// For messages: "sqlite:/path" or the URL.
  virtual std::string name() const = 0;
  /// Connectivity, credentials and API version; throws with the next step as hint.
  virtual void check(const std::stop_token& stop) = 0;
  /// Idempotent: compares, then creates what is missing. A version that is registered with the same
  /// root digest and another uri lies in a second place as well: that is recorded as a further
  /// artifact. Code::conflict for another root digest, and for another uri where one of the digests
  /// is not known. The embedded registry states the time at which the release was made as that of
  /// its records; the REST API sets times itself.
  virtual RegisteredIds put(const Registration& registration, const std::stop_token& stop) = 0;
  virtual std::optional<RegisteredVersion> find(const std::string& name, const std::string& version,
                                                const std::stop_token& stop) = 0;
  virtual std::vector<RegisteredVersion> list(const std::stop_token& stop) = 0;

  /// Many at once, for rebuilding; as `put`, in order. The embedded registry does all or nothing,
  /// durable once; the REST API has no transactions, so there what came before an error stays.
  virtual std::vector<RegisteredIds> put_all(std::span<const Registration> registrations,
                                             const std::stop_token& stop) = 0;

  /// Shows the aliases of a model: on the model a property `alias.NAME` = VERSION each, on each
  /// version that holds some a label (a string property that is empty) `@NAME` each; both appear as
  /// such in Kubeflow's web interface. What is there of aliases that the store does not have is
  /// taken away, other properties stay. True if anything had to be changed. Aliases whose version
  /// is not registered are shown on the model alone. Code::not_found for a model that is not
  /// registered.
  ///
  /// The REST API replaces a resource's properties whole and has no conditions: they are compared,
  /// and written only where they differ, so that another writer's change is at risk for as short as
  /// can be.
  virtual bool project_aliases(const ModelAliases& aliases, const std::stop_token& stop) = 0;

  /// LIVE or ARCHIVED, for the version; true if it had to be changed. Code::not_found.
  virtual bool set_state(const std::string& name, const std::string& version,
                         const std::string& state, const std::stop_token& stop) = 0;

  /// Lets an artifact say another place, if it still says `from`; keeps the old one in its history,
  /// and brings the version's `storage_type` and `s3_uri` along where the artifact is the main one.
  /// Already moved is success: what an interrupted run left undone is completed. True if anything
  /// had to be changed. Code::precondition if the artifact says anything else, and
  /// Code::verification if the version states another root digest: nothing is changed then.
  /// Code::not_found.
  ///
  /// The embedded registry does it in one transaction. The REST API has no conditions: the artifact
  /// is read right before it is written and once more after it, so that another writer's change is
  /// not written over unless it falls between two requests, and is noticed afterwards.
  virtual bool move(const ArtifactMove& move, const std::stop_token& stop) = 0;

  /// Deployments that are recorded here; none where the API has no such records.
  virtual std::vector<RegisteredService> services(const std::stop_token& stop) = 0;
};

/// Properties: source, huggingface_model, commit, framework, storage_type, s3_uri (s3 stores),
/// compressed ("true"/ "false"), root_digest, size_bytes, file_count, license.
Registration registration_of(const Manifest& manifest, const std::string& serving_uri);

struct RegistryOptions {
  Secret token;            // bearer
  std::string token_file;  // read again after a 401
  std::string ca_file;
};

/// "sqlite:PATH" (made with its folders if absent) or the http(s) URL of a Kubeflow / OpenShift AI
/// Model Registry, with or without its API path. Does no I/O beyond opening the database. Throws
/// Code::usage for other schemes; a URL with port 3306, 5432 … is answered with the REST URL that
/// is meant.
std::unique_ptr<Registry> open_registry(const std::string& address, const RegistryOptions& options);

}  // namespace dray
