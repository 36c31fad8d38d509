// Which bearer token and which CA a registry client uses.
#pragma once

#include <mutex>
#include <string>

#include "dray/base/secret.h"
#include "dray/http/url.h"
#include "dray/registry/registry.h"

namespace dray {

/// Where Kubernetes puts a pod's token and the CA of the cluster's services.
inline constexpr const char* kServiceAccountFolder =
    "/var/run/secrets/kubernetes.io/serviceaccount";

/// The token given; else the file given; else, over https only, the file that
/// KF_PIPELINES_SA_TOKEN_PATH names or the pod's own (a token nobody asked to send never goes out
/// unencrypted). Thread-safe.
class BearerToken {
 public:
  BearerToken(const RegistryOptions& options, const http::Url& url, const std::string& folder);
  /// Empty where there is none. Reads the file at the first call. Throws Code::auth when a file
  /// that was given cannot be read.
  Secret current();
  /// Reads the file again; true if it holds another token than `refused`.
  bool renew(const Secret& refused);
  /// For hints: "the file /x", "the token given", or "" where there is none.
  std::string shown_source() const;

 private:
  void read();  // mutex_ held

  mutable std::mutex mutex_;
  Secret token_;
  std::string file_;
  bool must_exist_ = false;
  bool loaded_ = false;
};

/// The CA file given; else the cluster's service CA for a host inside it, if there is one; else "".
std::string registry_ca_file(const RegistryOptions& options, const http::Url& url,
                             const std::string& folder);

}  // namespace dray
