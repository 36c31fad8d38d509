// Plain HTTP requests to a FakeRegistry, for tests of the fake itself.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "dray/base/json.h"
#include "dray/http/client.h"
#include "tests/support/fake_registry.h"

namespace dray::test {

class RegistryUser {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  explicit RegistryUser(const FakeRegistry& registry,
                        std::chrono::milliseconds stall_timeout = std::chrono::seconds(30))
      : base_(http::parse_url(registry.url() + "/")),
        client_({.stall_timeout = stall_timeout, .use_proxy = false}) {}

  std::string authorization;  // sent with each request; "" = none
  /// A new connection each time: the client repeats a PUT when a kept one dies.
  bool fresh = false;

  /// `target`: a path with query, or a Location. Redirects are not followed.
  http::Response send(const std::string& method, const std::string& target,
                      const Fields& fields = {}, std::string_view body = {}) {
    http::Request request;
    request.method = method;
    request.url = http::resolve(base_, target);
    if (!authorization.empty()) request.headers.set("Authorization", authorization);
    for (const auto& [name, value] : fields) request.headers.set(name, value);
    request.body = as_bytes(body);
    request.fresh_connection = fresh;
    return client_.send(request);
  }
  http::Response get(const std::string& target, const Fields& fields = {}) {
    return send("GET", target, fields);
  }

  // Uploads.
  std::string start(const std::string& repository) {  // its Location
    return location(send("POST", "/v2/" + repository + "/blobs/uploads/"));
  }
  http::Response patch(const std::string& to, std::string_view body, const Fields& fields = {}) {
    return send("PATCH", to, fields, body);
  }
  http::Response chunk(const std::string& to, std::uint64_t first, std::string_view body) {
    return patch(
        to, body,
        {{"Content-Range", std::to_string(first) + "-" + std::to_string(first + body.size() - 1)}});
  }
  http::Response finish(const std::string& to, const std::string& digest,
                        std::string_view body = {}) {
    const char mark = to.find('?') == std::string::npos ? '?' : '&';
    return send("PUT", to + mark + "digest=" + digest, {}, body);
  }

  static std::string header(const http::Response& response, const std::string& name) {
    return response.headers.get(name).value_or("");
  }
  static std::string location(const http::Response& response) {
    return header(response, "Location");
  }
  /// The code of an errors document; "" if the body is none.
  static std::string code(const http::Response& response) {
    const Json document = Json::parse(response.body, nullptr, false);
    if (!document.is_object() || !document.contains("errors")) return "";
    return document.at("errors").at(0).value("code", "");
  }

 private:
  http::Url base_;
  http::Client client_;
};

}  // namespace dray::test
