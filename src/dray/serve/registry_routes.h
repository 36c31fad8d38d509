// The routes of the Model Registry's REST API: which method and path does what, and who may.
#pragma once

#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "dray/http/server.h"
#include "dray/registry/records.h"
#include "dray/serve/access.h"
#include "dray/serve/query.h"

namespace dray {

/// A request that a route was found for.
struct RegistryCall {
  Records& records;
  Kind kind;            // the route's
  std::string_view id;  // of the path; "" where it has none
  const Query& query;
  std::string_view body;
  const std::stop_token& stop;
};

struct Route {
  std::string_view method;
  std::string_view pattern;  // below the API's path; "{id}" is one segment
  Role role;
  /// What is listed, found or written; where artifacts of any kind are posted below something,
  /// that.
  Kind kind;
  http::ServerResponse (*handle)(const RegistryCall&);
};

std::span<const Route> registry_routes();

/// Whether `path` is of the pattern; sets `id`.
bool route_matches(std::string_view pattern, std::string_view path, std::string_view& id);

/// An answer of the API.
http::ServerResponse registry_answer(int status, std::string json);
/// {"code": reason phrase, "message": …}
http::ServerResponse registry_refusal(int status, std::string_view message);

}  // namespace dray
