// Credentials from the Security Token Service: web identity and assumed roles.
#include <fmt/format.h>

#include <algorithm>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/http/retry.h"
#include "dray/s3/credentials_parts.h"
#include "dray/s3/errors.h"
#include "dray/s3/xml.h"

namespace dray::s3 {

namespace {

constexpr std::uint64_t kMaxToken = 64 << 10;
constexpr std::chrono::milliseconds kDeadline{30'000};

std::string encode_form(const Form& form) {
  std::string out;
  for (const auto& [name, value] : form)
    out +=
        (out.empty() ? "" : "&") + http::percent_encode(name) + "=" + http::percent_encode(value);
  return out;
}

Credentials parse_answer(const std::string& body, const std::string& result,
                         const std::string& origin) {
  const XmlNode root = parse_xml(body, "the answer of STS");
  const XmlNode* inner = root.child(result);
  const XmlNode* node = inner == nullptr ? nullptr : inner->child("Credentials");
  if (node == nullptr || node->get("AccessKeyId").empty() || node->get("SecretAccessKey").empty())
    throw credentials_error(origin, "the answer of STS holds no credentials");
  return {node->get("AccessKeyId"), Secret(node->get("SecretAccessKey")),
          Secret(node->get("SessionToken")), parse_rfc3339(node->get("Expiration")), origin};
}

}  // namespace

http::ClientOptions identity_client(const CredentialsOptions& options, const http::Url& url) {
  http::ClientOptions out;
  out.ca_file = options.env("AWS_CA_BUNDLE").value_or("");
  // What the store says about TLS is about its own endpoint, not about Amazon's.
  if (url.host.ends_with(".amazonaws.com") || url.host.ends_with(".amazonaws.com.cn")) return out;
  if (!options.settings.ca_file.empty()) out.ca_file = options.settings.ca_file;
  out.verify_tls = options.settings.verify_tls.value_or(true);
  return out;
}

Credentials call_sts(const CredentialsOptions& options, const http::Url& url, const Form& form,
                     const std::string& result, const Credentials* signer,
                     const std::string& region, const std::string& origin,
                     const std::stop_token& stop) {
  http::Client client(identity_client(options, url));
  const Secret body(encode_form(form));
  http::Retrier retrier(options.retry);
  while (true) {
    http::Request request{.method = "POST", .url = url, .body = as_bytes(body.reveal())};
    request.verb = "get credentials from";
    request.object = url.shown();
    request.deadline = kDeadline;
    request.headers.set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
    if (signer != nullptr) {
      SigningKeys keys;
      sign(request.method, url, request.headers, payload_hash(request.body),
           {.access_key_id = signer->access_key_id,
            .secret_access_key = &signer->secret_access_key,
            .session_token = &signer->session_token,
            .region = region,
            .service = "sts",
            .time = options.now()},
           keys);
    }
    try {
      const http::Response response = client.send(request, stop, {.bytes = 1 << 20});
      if (response.status == 200) return parse_answer(response.body, result, origin);
      throw make_error(service_error(response), response, Side::destination, request.verb,
                       request.object);
    } catch (const Error& e) {
      // Asking twice only makes a second session.
      if (e.retry() == Retry::ambiguous)
        retrier.failed(Error(e).transient(), stop);
      else
        retrier.failed(e, stop);
    }
  }
}

std::string session_name(const std::optional<std::string>& configured,
                         const CredentialsOptions& options) {
  return configured.value_or(fmt::format("dray-{}", options.now()));
}

Credentials assume_with_web_identity(const CredentialsOptions& options, const WebIdentity& identity,
                                     const http::Url& sts, const std::stop_token& stop) {
  const std::string origin = "web identity for " + identity.role_arn;
  auto token = read_file(expand_home(identity.token_file), kMaxToken);
  if (!token) throw credentials_error(origin, identity.token_file + " does not exist");
  token->erase(token->find_last_not_of(" \r\n\t") + 1);
  const Secret secret(std::move(*token));
  return call_sts(options, sts,
                  {{"Action", "AssumeRoleWithWebIdentity"},
                   {"Version", "2011-06-15"},
                   {"RoleArn", identity.role_arn},
                   {"RoleSessionName", identity.session_name},
                   {"WebIdentityToken", secret.reveal()}},
                  "AssumeRoleWithWebIdentityResult", nullptr, "", origin, stop);
}

CredentialSource web_identity_credentials(const CredentialsOptions& options) {
  return [options](const std::stop_token& stop) -> std::optional<Credentials> {
    const auto role = options.env("AWS_ROLE_ARN"),
               file = options.env("AWS_WEB_IDENTITY_TOKEN_FILE");
    if (!file) return std::nullopt;
    if (!role)
      throw credentials_error("web identity",
                              "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not");
    const Profiles profiles = load_profiles(options.env);
    const std::string region = resolve_endpoint(options.settings, options.env, profiles).region;
    const std::string profile = profile_name(options.settings.profile, options.env);
    return assume_with_web_identity(
        options, {*role, *file, session_name(options.env("AWS_ROLE_SESSION_NAME"), options)},
        sts_endpoint(profile, region, options.env, profiles), stop);
  };
}

}  // namespace dray::s3
