// Model registries: where people look models up.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/base/secret.h"
#include "dray/model/manifest.h"

namespace dray {

/// What is written about a release. Made from a manifest by `registration_of`.
struct Registration {
  std::string name, version;
  std::string uri;  // "s3://bucket/model-data/name/version/"
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

struct RegisteredVersion {
  std::string name, version, uri, state;  // state: LIVE or ARCHIVED
  std::map<std::string, std::string> properties;
};

/// Thread-safe. Errors carry Side::registry.
class Registry {
 public:
  virtual ~Registry() = default;
  /// For messages: "sqlite:/path" or the URL.
  virtual std::string name() const = 0;
  /// Connectivity, credentials and API version; throws with the next step as hint.
  virtual void check(const std::stop_token& stop) = 0;
  /// Idempotent: compares, then creates what is missing. The same version with another uri or root
  /// digest is Code::conflict.
  virtual RegisteredIds put(const Registration& registration, const std::stop_token& stop) = 0;
  virtual std::optional<RegisteredVersion> find(const std::string& name, const std::string& version,
                                                const std::stop_token& stop) = 0;
  virtual std::vector<RegisteredVersion> list(const std::stop_token& stop) = 0;
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
