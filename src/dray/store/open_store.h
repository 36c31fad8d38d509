// Stores from what people write: "s3://bucket[/prefix]", "dir:/path", "oci://host/repository", or a
// name that the configuration gives.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dray/base/environment.h"
#include "dray/base/error.h"
#include "dray/http/retry.h"
#include "dray/oci/client.h"
#include "dray/store/store.h"

namespace dray {

/// How a bucket is reached, where the environment and AWS's own files do not say it. Nothing secret
/// in it.
struct S3Access {
  std::string endpoint;  // "https://s3.example.com"; "" = environment, profile, AWS
  std::string region;
  std::string ca_file;     // PEM
  std::string addressing;  // "", "auto", "path", "virtual"
  std::string profile;     // of ~/.aws; by name, so keys from the environment do not count
  /// Names of environment variables that hold the keys; "" = the usual chain.
  std::string access_key_env, secret_key_env, session_token_env;
  std::optional<bool> verify_tls;
  bool anonymous = false;
  bool content_md5 = false;  // with all data, also where better checksums are checked
  /// Sent with every object that is made: {"x-amz-server-side-encryption", "aws:kms"} …; names
  /// lower-case.
  std::vector<std::pair<std::string, std::string>> headers;
};

/// How a registry is reached, and what becomes of releases there. Nothing secret in it.
struct OciAccess {
  std::string user, password_file;  // "" = credentials that podman, docker or oras have stored
  std::string ca_file;              // PEM
  bool verify_tls = true;
  bool writes = false;  // with the right to write also to a source: its images are to be deleted
  std::string format;   // "modelcar" ("" too), "modelpack", "both"
  std::string base;     // of modelcars; "" = kDefaultBase
  std::vector<std::string> architectures;
  std::optional<std::uint64_t> most_layers;
  std::string state;  // the store for journals of transfers; "" = default_state()
};

/// A store that the configuration names.
struct NamedStore {
  std::string name;  // letters, digits, `._-`
  std::string uri;   // "s3://…" or "dir:…"
  S3Access s3;
};

struct StoreOptions {
  std::vector<NamedStore> named;
  S3Access s3;  // of "s3://…" given as such (flags)
  OciAccess oci;
  http::RetryPolicy retry;
  Side side = Side::destination;
  Environment env = process_environment();
  /// Where findings about S3 endpoints are kept; "" = nowhere. Endpoints on loopback are asked anew
  /// by each process: behind the same port may be another server tomorrow.
  std::filesystem::path endpoint_cache = default_endpoint_cache();

  static std::filesystem::path default_endpoint_cache();  // $XDG_CACHE_HOME/dray/endpoints.json
};

/// Reads the configuration of S3 access but does not connect: preflight() does. A name without
/// scheme is looked up in `options.named`. Code::usage for what is no store.
std::unique_ptr<Store> open_store(std::string_view text, const StoreOptions& options);

/// A repository to read from; a tag and a digest in `text` do not count.
std::shared_ptr<oci::Client> open_repository(const oci::Reference& reference,
                                             const StoreOptions& options);

/// "dir:$XDG_STATE_HOME/dray": where transfers into registries keep their journals when nothing is
/// said.
std::string default_state();
/// "dir:$XDG_DATA_HOME/dray/store": where releases go when nothing is said.
std::string default_store();

}  // namespace dray
