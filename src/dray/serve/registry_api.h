// The Model Registry's REST API over HTTP, as Kubeflow's server answers it.
#pragma once

#include <string>
#include <string_view>

#include "dray/http/server.h"
#include "dray/registry/records.h"
#include "dray/serve/access.h"
#include "dray/serve/registry_routes.h"

namespace dray {

/// Answers requests below /api/model_registry/v1alpha3 and …/v1, which are the same, and
/// …/readyz/health and …/readyz/isDirty below any path. Everything else is 404. Thread-safe; both
/// must outlive it.
class RegistryApi {
 public:
  RegistryApi(Records& records, const Access& access) : records_(records), access_(access) {}
  http::ServerResponse handle(const http::ServerRequest& request) const;
  /// What the server itself refuses, in the form of the API.
  static http::ServerResponse refusal(int status, const std::string& message);

 private:
  http::ServerResponse health(const http::ServerRequest& request) const;
  http::ServerResponse answer(const http::ServerRequest& request, const Caller& caller) const;
  http::ServerResponse dispatch(const http::ServerRequest& request, const Caller& caller,
                                std::string_view path) const;

  Records& records_;
  const Access& access_;
};

}  // namespace dray
