#include "dray/oci/token_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/oci/errors.h"

namespace dray::oci {

namespace {

constexpr http::BodyLimit kLongestAnswer{1 << 20};
constexpr std::size_t kLongestToken = 64 << 10;
constexpr std::int64_t kShortestLife = 60;
constexpr std::int64_t kLongestLife = 366 * 24 * 3600;  // keeps sums small
constexpr std::chrono::seconds kDeadline{60};
constexpr const char* kClientId = "dray";

void add_parameter(std::string& form, std::string_view name, std::string_view value) {
  if (!form.empty()) form += '&';
  form += fmt::format("{}={}", name, http::percent_encode(value));
}

http::Request request_to(const TokenRequest& asked) {
  http::Request out;
  out.url = asked.realm;
  out.side = asked.side;
  out.verb = "get token from";
  out.object = asked.realm.shown();
  out.deadline = kDeadline;
  out.repeatable = true;  // two tokens harm nobody
  out.headers.set("Accept", "application/json");
  return out;
}

http::Request get_request(const TokenRequest& asked) {
  http::Request out = request_to(asked);
  if (!asked.service.empty()) add_parameter(out.url.query, "service", asked.service);
  for (const std::string& scope : asked.scopes.list()) add_parameter(out.url.query, "scope", scope);
  if (asked.credentials)
    out.headers.set("Authorization", basic_header(*asked.credentials).reveal());
  return out;
}

/// The form of a POST; a secret, since it holds the identity token.
Secret exchange_form(const TokenRequest& asked) {
  std::string form;
  add_parameter(form, "grant_type", "refresh_token");
  add_parameter(form, "client_id", kClientId);
  if (!asked.service.empty()) add_parameter(form, "service", asked.service);
  if (!asked.scopes.empty()) add_parameter(form, "scope", asked.scopes.text());
  add_parameter(form, "refresh_token", asked.credentials->identity_token.reveal());
  return Secret(std::move(form));
}

http::Request post_request(const TokenRequest& asked, const Secret& form) {
  http::Request out = request_to(asked);
  out.method = "POST";
  out.headers.set("Content-Type", "application/x-www-form-urlencoded");
  out.body = as_bytes(form.reveal());
  return out;
}

Error about(const http::Request& request, const http::Response& response, std::string message) {
  return Error(Code::auth, std::move(message))
      .on(request.verb, request.object)
      .from(request.side)
      .http(response.status, "", http::request_id(response.headers));
}

/// Where a redirect leads, for messages.
std::string origin_of(const http::Response& response, const http::Url& base) {
  try {
    return http::resolve(base, response.headers.get("Location").value_or("")).origin();
  } catch (const Error&) {
    return "elsewhere";
  }
}

Error unusable(const http::Request& request, const http::Response& response,
               const TokenRequest& asked) {
  if (response.status >= 300 && response.status < 400)
    return about(request, response,
                 "the token service redirects to " + origin_of(response, request.url))
        .hint(
            "redirects are not followed with credentials: the registry should name the right "
            "address itself");
  // A refused identity token is "invalid_grant" with 400 (RFC 6749 section 5.2).
  const bool refused_grant = request.method == "POST" && response.status == 400;
  if (response.status != 401 && response.status != 403 && !refused_grant)
    return http::status_error(request, response);
  return refusal(request, response,
                 {.host = asked.host,
                  .scopes = asked.scopes,
                  .credentials = asked.credentials ? &*asked.credentials : nullptr});
}

Token token_in(http::Response response, const http::Request& request, const TokenRequest& asked) {
  if (response.status < 200 || response.status >= 300) throw unusable(request, response, asked);
  const Secret body(std::move(response.body));
  // Ages are differences of the service's own clock, which may be wrong.
  const auto date = parse_http_date(response.headers.get("Date").value_or(""));
  try {
    return parse_token_answer(body.reveal(), date.value_or(unix_now()), request.object);
  } catch (const Error& error) {
    throw Error(error).from(request.side);  // the reader does not know whose it is
  }
}

}  // namespace

bool credentials_may_go_to(const http::Url& realm, const http::Url& registry) {
  return realm.scheme == "https" || http::is_loopback(realm) || realm.origin() == registry.origin();
}

Secret basic_header(const Credentials& credentials) {
  const Secret& password =
      credentials.password.empty() ? credentials.identity_token : credentials.password;
  const Secret pair(credentials.user + ":" + password.reveal());
  return Secret("Basic " + to_base64(as_bytes(pair.reveal())));
}

bool is_token_text(std::string_view text) {
  return !text.empty() && text.size() <= kLongestToken &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

Token parse_token_answer(std::string_view text, UnixTime now, std::string_view what) {
  const Json json = parse_json(text, what, {.bytes = kLongestAnswer.bytes, .depth = 16});
  Token out;
  out.value = Secret(find_string(json, "token", what).value_or(""));
  if (out.value.empty()) out.value = Secret(find_string(json, "access_token", what).value_or(""));
  if (!is_token_text(out.value.reveal()))
    throw Error(Code::malformed, "the answer holds no token").on("read", std::string(what));
  out.identity_token = Secret(find_string(json, "refresh_token", what).value_or(""));
  const auto stated = find_u64(json, "expires_in", what).value_or(kShortestLife);
  std::int64_t life = static_cast<std::int64_t>(std::min<std::uint64_t>(stated, kLongestLife));
  life = std::max(life, kShortestLife);
  const auto issued = parse_rfc3339(find_string(json, "issued_at", what).value_or(""));
  if (issued && *issued < now) life -= std::min(life, now - *issued);
  out.life = std::chrono::seconds(life);
  return out;
}

Token fetch_token(http::Client& client, const TokenRequest& asked, const http::RetryPolicy& retry,
                  const std::stop_token& stop) {
  if (asked.credentials && !credentials_may_go_to(asked.realm, asked.registry))
    throw Error(Code::auth, fmt::format("{} names {} as its token service, where the credentials "
                                        "would be sent unencrypted",
                                        asked.host, asked.realm.origin()))
        .on("get token from", asked.realm.shown())
        .from(asked.side)
        .hint(
            "the registry should name an https address; what needs no credentials can be read "
            "without them");
  if (asked.credentials && !asked.credentials->identity_token.empty()) {
    const Secret form = exchange_form(asked);
    const http::Request post = post_request(asked, form);
    http::Response response = http::send_with_retry(client, post, retry, stop, kLongestAnswer);
    if (response.status != 404 && response.status != 405)
      return token_in(std::move(response), post, asked);
  }
  const http::Request get = get_request(asked);
  return token_in(http::send_with_retry(client, get, retry, stop, kLongestAnswer), get, asked);
}

}  // namespace dray::oci
