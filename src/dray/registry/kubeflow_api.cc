#include "dray/registry/kubeflow_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "dray/http/excerpt.h"
#include "dray/registry/address.h"
#include "dray/registry/greeting.h"

namespace dray {

namespace {

constexpr std::string_view kApi = "/api/model_registry";
// In the order in which they are tried.
constexpr std::array<std::string_view, 2> kVersions = {"v1", "v1alpha3"};
constexpr const char* kPageSize = "200";
constexpr std::size_t kMostPages = 10'000;

http::ClientOptions client_options(const KubeflowOptions& options, const http::Url& url) {
  http::ClientOptions out;
  out.ca_file = registry_ca_file(options, url, options.service_account_folder);
  return out;
}

std::string token_hint(const std::string& source, int status) {
  if (source.empty())
    return "give a bearer token, or a file that holds one; inside a cluster a pod's own token is "
           "used over https";
  if (status == 401) return source + " was refused: it may have expired, or be another cluster's";
  return source +
         " is known but may not do this; on OpenShift AI its account needs the role "
         "registry-user-<name of the registry>";
}

std::string rest_hint(const http::Url& url) {
  return fmt::format(
      "give the URL of the registry's REST service, such as {} inside a cluster or the -rest route "
      "on OpenShift AI, and a bearer token",
      rest_url_example(url.host));
}

bool is_success(int status) { return status == 200 || status == 201; }

}  // namespace

KubeflowApi::KubeflowApi(http::Url url, KubeflowOptions options)
    : url_(std::move(url)),
      options_(std::move(options)),
      token_(options_, url_, options_.service_account_folder),
      client_(client_options(options_, url_)) {
  std::string_view path = url_.path;
  if (const auto at = path.find(kApi); at != std::string_view::npos) {
    std::string_view rest = path.substr(at + kApi.size());
    while (rest.starts_with('/')) rest.remove_prefix(1);
    fixed_version_ = rest.substr(0, rest.find('/'));
    path = path.substr(0, at);
  }
  while (path.ends_with('/')) path.remove_suffix(1);
  prefix_ = path;
}

http::Request KubeflowApi::request(std::string method, const std::string& target,
                                   const Query& query) const {
  http::Request out;
  out.method = std::move(method);
  out.url = url_;
  out.url.path = target;
  out.url.query.clear();
  for (const auto& [key, value] : query) {
    if (!out.url.query.empty()) out.url.query += '&';
    out.url.query += key + '=' + http::percent_encode(value);
  }
  out.headers.set("Accept", "application/json");
  out.side = Side::registry;
  out.verb = out.method == "GET" ? "ask registry" : "write to registry";
  out.object = out.url.origin() + target;
  return out;
}

http::Response KubeflowApi::send(http::Request& request, const std::stop_token& stop) {
  for (bool renewed = false;; renewed = true) {
    const Secret token = token_.current();
    request.headers.remove("Authorization");
    if (!token.empty()) request.headers.set("Authorization", "Bearer " + token.reveal());
    http::Response response = client_.send(request, stop);
    // Kubernetes replaces the tokens of pods while they run.
    if (response.status != 401 || renewed || !token_.renew(token)) return response;
  }
}

http::Response KubeflowApi::send_with_retry(http::Request& request, bool first_contact,
                                            const std::stop_token& stop) {
  http::Retrier retrier(options_.retry);
  for (;;) {
    try {
      http::Response response = send(request, stop);
      if (is_success(response.status)) return response;
      Error error = http::status_error(request, response);
      if (!error.retryable()) return response;
      throw Error(error);
    } catch (const Error& error) {
      // A wrong port should be told at once, not after all tries.
      if (first_contact && retrier.failures() == 0) explain_no_answer(error);
      retrier.failed(error, stop);
    }
  }
}

void KubeflowApi::explain_no_answer(const Error& error) const {
  if (error.http_status() != 0) return;
  if (error.code() != Code::network && error.code() != Code::malformed) return;
  const auto service = who_speaks_first(url_);
  if (!service) return;
  throw Error(Code::usage,
              fmt::format("{} answers there, not the registry's REST service", *service))
      .on("use registry", address())
      .from(Side::registry)
      .hint(rest_hint(url_));
}

std::string KubeflowApi::base(const std::stop_token& stop) {
  const std::lock_guard lock(mutex_);
  if (base_.empty()) base_ = find_base(stop);
  return base_;
}

std::string KubeflowApi::find_base(const std::stop_token& stop) {
  std::vector<std::string_view> versions(kVersions.begin(), kVersions.end());
  if (!fixed_version_.empty()) versions = {fixed_version_};
  const auto answers = [&](const std::string& candidate) {
    http::Request ask =
        request("GET", candidate + "/registered_models", {{"pageSize", "1"}, {"sortOrder", "ASC"}});
    const http::Response response = send_with_retry(ask, true, stop);
    if (response.status == 404) return false;
    parsed(ask, response);
    return true;
  };
  for (const std::string_view version : versions) {
    const std::string candidate = fmt::format("{}{}/{}", prefix_, kApi, version);
    if (answers(candidate)) return candidate;
  }
  throw Error(Code::not_found, "no model registry answers under this address")
      .on("use registry", address())
      .from(Side::registry)
      .hint(rest_hint(url_));
}

Error KubeflowApi::refusal(const http::Request& request, const http::Response& response) const {
  const int status = response.status;
  if (status >= 300 && status < 400)
    return Error(Code::auth, "the registry sends to a login page instead of answering")
        .on(request.verb, request.object)
        .from(Side::registry)
        .http(status, "", http::request_id(response.headers))
        .hint(rest_hint(url_));
  Error error = http::status_error(request, response);
  if (status == 401 || status == 403)
    return std::move(error).hint(token_hint(token_.shown_source(), status));
  return error;
}

Json KubeflowApi::parsed(const http::Request& request, const http::Response& response) const {
  if (!is_success(response.status)) throw refusal(request, response);
  if (http::is_html(response))
    throw Error(Code::usage, "a web page answers instead of the registry's API")
        .on(request.verb, request.object)
        .from(Side::registry)
        .hint(rest_hint(url_));
  Json value = from_registry([&] { return parse_json(response.body, "the registry's answer"); });
  if (!value.is_object())
    throw Error(Code::malformed, "the registry's answer is not a JSON object")
        .on(request.verb, request.object)
        .from(Side::registry);
  return value;
}

std::optional<Json> KubeflowApi::get(std::string_view path, const Query& query,
                                     const std::stop_token& stop) {
  http::Request ask = request("GET", base(stop).append(path), query);
  const http::Response response = send_with_retry(ask, false, stop);
  if (response.status == 404) return std::nullopt;
  return parsed(ask, response);
}

Json KubeflowApi::post(std::string_view path, const Json& body, const std::stop_token& stop) {
  http::Request ask = request("POST", base(stop).append(path), {});
  const std::string text = dump_json(body);
  ask.body = as_bytes(text);
  ask.headers.set("Content-Type", "application/json");
  return parsed(ask, send(ask, stop));
}

std::optional<Json> KubeflowApi::patch(std::string_view path, const Json& body,
                                       const std::stop_token& stop) {
  http::Request ask = request("PATCH", base(stop).append(path), {});
  const std::string text = dump_json(body);
  ask.body = as_bytes(text);
  ask.headers.set("Content-Type", "application/json");
  const http::Response response = send_with_retry(ask, false, stop);
  if (response.status == 404) return std::nullopt;
  return parsed(ask, response);
}

std::vector<Json> KubeflowApi::list(std::string_view path, const std::stop_token& stop) {
  std::vector<Json> out;
  std::string page;
  for (std::size_t pages = 0; pages < kMostPages; ++pages) {
    Query query = {{"pageSize", kPageSize}};
    if (!page.empty()) query.emplace_back("nextPageToken", page);
    const auto answer = get(path, query, stop);
    if (!answer) return out;
    const std::string next = from_registry([&] {
      const std::string_view what = "the registry's list";
      for (const Json& item : get_array(*answer, "items", what)) out.push_back(item);
      return find_string(*answer, "nextPageToken", what).value_or("");
    });
    if (next.empty()) return out;
    if (next == page) break;
    page = next;
  }
  throw Error(Code::malformed, "the registry's list does not end")
      .on("ask registry", address() + std::string(path))
      .from(Side::registry);
}

}  // namespace dray
