// Credentials of a single sign-on (IAM Identity Center): the token that `aws sso login` left below
// ~/.aws/sso/cache is exchanged for those of a role.
#include <fmt/format.h>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/http/retry.h"
#include "dray/s3/credentials_parts.h"

namespace dray::s3 {

namespace {

constexpr std::uint64_t kMaxFile = 1 << 20;
constexpr std::chrono::milliseconds kDeadline{30'000};

/// What a profile says, directly or by its session.
struct SignOn {
  std::string cache_name;  // what the token's file is named after
  std::string region, account, role;
};

SignOn read_sign_on(const Profiles& profiles, const std::string& profile,
                    const std::string& origin) {
  const auto required = [&](const std::optional<std::string>& value, const char* key) {
    if (!value || value->empty())
      throw credentials_error(origin, fmt::format("{} is missing from the profile", key))
          .hint("run: aws configure sso --profile " + profile);
    return *value;
  };
  SignOn out;
  auto region = profiles.get(profile, "sso_region");
  if (const auto session = profiles.get(profile, "sso_session")) {
    const auto section = profiles.sso_sessions.find(*session);
    if (section == profiles.sso_sessions.end())
      throw credentials_error(origin, fmt::format("there is no section [sso-session {}]", *session))
          .hint("run: aws configure sso-session");
    const auto value = section->second.find("sso_region");
    if (value != section->second.end()) region = value->second;
    out.cache_name = *session;
  } else {
    out.cache_name = required(profiles.get(profile, "sso_start_url"), "sso_start_url");
  }
  out.region = required(region, "sso_region");
  out.account = required(profiles.get(profile, "sso_account_id"), "sso_account_id");
  out.role = required(profiles.get(profile, "sso_role_name"), "sso_role_name");
  return out;
}

Error not_signed_in(const std::string& origin, const std::string& profile, const char* message) {
  return credentials_error(origin, message).hint("run: aws sso login --profile " + profile);
}

/// Older tools wrote "2026-06-17T10:02:08UTC".
std::optional<UnixTime> parse_expiry(std::string text) {
  if (text.ends_with("UTC")) text.replace(text.size() - 3, 3, "Z");
  return parse_rfc3339(text);
}

Secret cached_token(const CredentialsOptions& options, const std::string& cache_name,
                    const std::string& profile, const std::string& origin) {
  const std::string home = options.env("HOME").value_or("~");
  const auto text = read_file(
      expand_home(fmt::format("{}/.aws/sso/cache/{}.json", home, sha1_hex(as_bytes(cache_name)))),
      kMaxFile);
  if (!text) throw not_signed_in(origin, profile, "nobody is signed in");
  std::string token;
  std::optional<UnixTime> expires;
  try {
    const Json json = parse_json(*text, origin, {.bytes = kMaxFile, .depth = 8});
    token = find_string(json, "accessToken", origin).value_or("");
    expires = parse_expiry(find_string(json, "expiresAt", origin).value_or(""));
  } catch (const Error&) {  // its text may quote the token
  }
  if (token.empty() || !expires)
    throw not_signed_in(origin, profile, "the cached sign-on cannot be read");
  if (*expires <= options.now()) throw not_signed_in(origin, profile, "the sign-on has expired");
  if (token.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
    throw not_signed_in(origin, profile, "the cached sign-on is no token");
  return Secret(std::move(token));
}

Credentials parse_role(const std::string& body, const std::string& origin) {
  try {
    const Json json = parse_json(body, origin, {.bytes = kMaxFile, .depth = 8});
    const Json& role = get_object(json, "roleCredentials", origin);
    Credentials out{get_string(role, "accessKeyId", origin),
                    Secret(get_string(role, "secretAccessKey", origin)),
                    Secret(get_string(role, "sessionToken", origin)), std::nullopt, origin};
    if (const auto milliseconds = find_u64(role, "expiration", origin))
      out.expires = static_cast<UnixTime>(*milliseconds / 1000);
    if (!out.access_key_id.empty() && !out.secret_access_key.empty()) return out;
  } catch (const Error&) {  // its text may quote a key
  }
  throw credentials_error(origin, "the sign-on service gave no credentials");
}

}  // namespace

Credentials sso_credentials(const CredentialsOptions& options, const Profiles& profiles,
                            const std::string& profile, const std::stop_token& stop) {
  const std::string origin = "single sign-on of profile " + profile;
  const SignOn sign_on = read_sign_on(profiles, profile, origin);
  const Secret token = cached_token(options, sign_on.cache_name, profile, origin);
  http::Request request{.url = sso_endpoint(profile, sign_on.region, options.env, profiles)};
  if (request.url.scheme != "https" && !http::is_loopback(request.url))
    throw credentials_error(origin,
                            request.url.origin() + " may not get the token: it is not https");
  while (request.url.path.ends_with('/')) request.url.path.pop_back();
  request.url.path += "/federation/credentials";
  request.url.query =
      canonical_query({{"account_id", sign_on.account}, {"role_name", sign_on.role}});
  request.verb = "get credentials from";
  request.object = request.url.origin();
  request.deadline = kDeadline;
  request.headers.set("x-amz-sso_bearer_token", token.reveal());
  http::Client client(identity_client(options, request.url));
  const http::Response response =
      http::send_with_retry(client, request, options.retry, stop, {.bytes = kMaxFile});
  if (response.status == 200) return parse_role(response.body, origin);
  if (response.status == 401)
    throw not_signed_in(origin, profile, "the sign-on is not accepted any more");
  throw credentials_error(
      origin, fmt::format("{} answered with status {}", request.object, response.status))
      .hint(fmt::format("does account {} give you the role {}?", sign_on.account, sign_on.role));
}

}  // namespace dray::s3
