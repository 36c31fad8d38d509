#include "dray/hub/identity.h"

#include <chrono>
#include <optional>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/json.h"

namespace dray::hub {

namespace {

constexpr const char* kVariable = "HF_OIDC_RESOURCE";
constexpr http::BodyLimit kLongestAnswer{256 << 10};

Error refused(std::string why) {
  return Error(Code::auth, std::move(why))
      .on("exchange identity for", kVariable)
      .from(Side::source);
}

http::Request request_to(const char* method, const std::string& url, const char* verb,
                         std::string object) {
  http::Request request;
  request.method = method;
  request.url = http::parse_url(url);
  request.side = Side::source;
  request.verb = verb;
  request.object = std::move(object);
  request.deadline = std::chrono::seconds(60);
  request.repeatable = true;  // asking twice gives two tokens, which harms nobody
  request.headers.set("Accept", "application/json");
  return request;
}

/// A member of the answer that is a secret.
Secret secret_in(const http::Response& response, const char* key, const std::string& what) {
  Secret value;
  try {
    const Json body = parse_json(response.body, what, {.bytes = 256 << 10, .depth = 8});
    if (body.is_object()) value = Secret(find_string(body, key, what).value_or(""));
  } catch (const Error& error) {
    throw Error(error).from(Side::source);  // the readers of JSON do not know whose it is
  }
  for (const char c : value.reveal())
    if (c <= ' ' || c > '~') value = Secret();
  if (value.empty())
    throw Error(Code::malformed, what + " holds no '" + key + "'").from(Side::source);
  return value;
}

/// What GitHub says of the job, to be shown to `endpoint`.
Secret identity_of_github(http::Client& client, const std::string& endpoint,
                          const http::RetryPolicy& retry, const std::stop_token& stop) {
  const auto url = env("ACTIONS_ID_TOKEN_REQUEST_URL");
  auto key = env("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
  if (!url || !key)
    throw refused("GitHub Actions gives this job no identity")
        .hint("let the job have it: `permissions: {id-token: write}` in the workflow");
  const Secret secret(std::move(*key));
  const char* mark = url->find('?') == std::string::npos ? "?" : "&";
  http::Request request =
      request_to("GET", *url + mark + "audience=" + http::percent_encode(endpoint), "ask",
                 "GitHub Actions for the job's identity");
  if (request.url.scheme != "https" && !http::is_loopback(request.url))
    throw refused("ACTIONS_ID_TOKEN_REQUEST_URL is not https");
  request.headers.set("Authorization", "Bearer " + secret.reveal());
  const http::Response response =
      http::send_with_retry(client, request, retry, stop, kLongestAnswer);
  if (response.status != 200) throw http::status_error(request, response);
  return secret_in(response, "value", "GitHub's answer about the job");
}

Secret identity(http::Client& client, const std::string& endpoint, const http::RetryPolicy& retry,
                const std::stop_token& stop) {
  if (auto given = env("HF_OIDC_ID_TOKEN")) return Secret(std::move(*given));
  if (env("GITHUB_ACTIONS").value_or("") == "true")
    return identity_of_github(client, endpoint, retry, stop);
  throw refused("the variable is set, but this job has no identity to show")
      .hint(
          "put the id token that the CI system gives into HF_OIDC_ID_TOKEN (GitHub Actions needs "
          "none), or unset HF_OIDC_RESOURCE");
}

}  // namespace

Token exchange_identity(http::Client& client, const std::string& endpoint,
                        const http::RetryPolicy& retry, const std::stop_token& stop) {
  const std::string resource = env(kVariable).value_or("");
  const Secret shown = identity(client, endpoint, retry, stop);
  const Secret body(dump_json({{"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"},
                               {"subject_token_type", "urn:ietf:params:oauth:token-type:id_token"},
                               {"subject_token", shown.reveal()},
                               {"resource", resource}}));
  http::Request request =
      request_to("POST", endpoint + "/oauth/token", "exchange identity for", resource);
  request.headers.set("Content-Type", "application/json");
  request.body = as_bytes(body.reveal());
  const http::Response response =
      http::send_with_retry(client, request, retry, stop, kLongestAnswer);
  if (response.status != 200)
    throw refused("the Hub gives no token for '" + resource + "' to this job")
        .http(response.status, "", http::request_id(response.headers))
        .hint("add the job as a trusted publisher in the settings of " + resource + " at " +
              endpoint +
              ", and check that HF_OIDC_RESOURCE is an organisation's model (org/name) "
              "or a user's name");
  return {secret_in(response, "access_token", "the Hub's answer about the job"),
          "HF_OIDC_RESOURCE=" + resource, ""};
}

}  // namespace dray::hub
