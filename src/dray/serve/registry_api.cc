#include "dray/serve/registry_api.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/base/log.h"
#include "dray/serve/registry_owner.h"

namespace dray {

using http::ServerRequest;
using http::ServerResponse;

namespace {

/// The path below the API's, without its first '/'; nullopt elsewhere.
std::optional<std::string_view> api_path(std::string_view path) {
  for (const std::string_view base : {"/api/model_registry/v1alpha3/", "/api/model_registry/v1/"})
    if (path.starts_with(base)) return path.substr(base.size());
  return std::nullopt;
}

ServerResponse text_answer(int status, std::string text) {
  ServerResponse response;
  response.status = status;
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.body = std::move(text);
  return response;
}

ServerResponse no_page() { return text_answer(404, "404 page not found\n"); }

bool has_nul(std::string_view text) {
  return text.find('\0') != std::string_view::npos ||
         text.find("\\u0000") != std::string_view::npos;
}

/// The database of the real server could not take NUL, so that it looks for it everywhere.
void refuse_nul(const Query& query, std::string_view body) {
  for (const auto& [name, value] : query.pairs())
    if (has_nul(value))
      throw Error(Code::malformed,
                  fmt::format("Invalid {0} query parameter: invalid {0} parameter: contains null "
                              "bytes which are not allowed",
                              name));
  if (has_nul(body))
    throw Error(Code::malformed, "Request body contains null bytes which are not allowed");
}

int status_of(Code code) {
  switch (code) {
    case Code::malformed:
    case Code::usage:
      return 400;
    case Code::auth:
      return 401;
    case Code::policy:
      return 403;
    case Code::not_found:
      return 404;
    case Code::conflict:
      return 409;
    case Code::precondition:
      return 422;
    case Code::locked:
    case Code::cancelled:
      return 503;
    default:
      return 500;
  }
}

ServerResponse error_answer(const ServerRequest& request, const Error& error) {
  const int status = status_of(error.code());
  if (status == 500) {
    warn("{} {} failed: {}", request.method, request.path, error.what());
    return registry_refusal(500, "internal error");
  }
  auto response = registry_refusal(status, error.message());
  if (status == 401)
    response.headers.add("WWW-Authenticate", request.headers.has("Authorization")
                                                 ? R"(Bearer realm="dray", error="invalid_token")"
                                                 : R"(Bearer realm="dray")");
  if (status == 503) response.headers.add("Retry-After", "1");
  return response;
}

}  // namespace

ServerResponse RegistryApi::refusal(int status, const std::string& message) {
  return registry_refusal(status, message);
}

ServerResponse RegistryApi::handle(const ServerRequest& request) const {
  const std::string_view path = request.path;
  if (path.ends_with("/readyz/isDirty") || path.ends_with("/readyz/health")) return health(request);
  Caller caller;
  try {
    caller = access_.identify(request);
    auto response = answer(request, caller);
    response.user = caller.name;
    return response;
  } catch (const Error& error) {
    auto response = error_answer(request, error);
    response.user = caller.name;
    return response;
  }
}

ServerResponse RegistryApi::health(const ServerRequest& request) const {
  if (request.method != "GET") return text_answer(405, "method not allowed\n");
  std::string problem;
  try {
    records_.list(Kind::registered_model, "", {.page_size = "1"});
  } catch (const Error& error) {
    warn("the registry is not ready: {}", error.what());
    problem = "the database cannot be read";
  }
  const int status = problem.empty() ? 200 : 503;
  if (request.query == "format=json")
    return registry_answer(
        status, dump_json({{"status", problem.empty() ? "pass" : "fail"},
                           {"checks",
                            {{"database",
                              {{"Name", "database"},
                               {"Status", problem.empty() ? "pass" : "fail"},
                               {"Message", problem.empty() ? "database is healthy" : problem},
                               {"Details", Json::object()}}}}}}));
  return text_answer(status, problem.empty() ? "OK" : problem);
}

ServerResponse RegistryApi::answer(const ServerRequest& request, const Caller& caller) const {
  const auto path = api_path(request.path);
  if (!path) return no_page();
  return dispatch(request, caller, *path);
}

ServerResponse RegistryApi::dispatch(const ServerRequest& request, const Caller& caller,
                                     std::string_view path) const {
  std::string allowed;
  for (const Route& route : registry_routes()) {
    std::string_view id;
    if (!route_matches(route.pattern, path, id)) continue;
    if (route.method != request.method) {
      allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
      continue;
    }
    if (!caller.may_some(route.role)) refuse_role(caller, route.role, "");
    const Query query(request.query);
    refuse_nul(query, request.body);
    const RegistryCall call{.records = records_,
                            .kind = route.kind,
                            .id = id,
                            .query = query,
                            .body = request.body,
                            .stop = request.stop};
    if (!caller.may(route.role)) check_owner(caller, route, call);
    return route.handle(call);
  }
  if (allowed.empty()) return no_page();
  ServerResponse response;
  response.status = 405;
  response.headers.add("Allow", allowed);
  return response;
}

}  // namespace dray
