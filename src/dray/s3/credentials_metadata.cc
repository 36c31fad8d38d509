// Credentials that the machine or the container is given over link-local HTTP.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/http/retry.h"
#include "dray/s3/credentials_parts.h"

namespace dray::s3 {

namespace {

constexpr std::uint64_t kMaxToken = 64 << 10;
constexpr std::chrono::milliseconds kContainerTimeout{5'000};
constexpr const char* kRolePath = "/latest/meta-data/iam/security-credentials/";

bool is_true(const std::optional<std::string>& text) {
  return text && (*text == "true" || *text == "True" || *text == "TRUE");
}

/// These services answer on the machine itself: a proxy has no business with their tokens.
http::ClientOptions local_client(std::chrono::milliseconds timeout) {
  http::ClientOptions out;
  out.connect_timeout = timeout;
  out.stall_timeout = timeout;
  out.use_proxy = false;
  return out;
}

http::Url at(http::Url base, std::string_view path) {
  while (base.path.ends_with('/')) base.path.pop_back();
  base.path += path;
  base.query.clear();
  return base;
}

/// A token that is sent as a header must not bring headers of its own.
std::string header_value(std::string text, const std::string& origin) {
  text.erase(text.find_last_not_of("\r\n") + 1);
  if (text.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
    throw credentials_error(origin, "the authorization token has more than one line");
  return text;
}

std::optional<std::string> container_token(const Environment& env, const std::string& origin) {
  if (const auto file = env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
    auto text = read_file(*file, kMaxToken);
    if (!text) throw credentials_error(origin, *file + " does not exist");
    return header_value(std::move(*text), origin);
  }
  if (auto token = env("AWS_CONTAINER_AUTHORIZATION_TOKEN"))
    return header_value(std::move(*token), origin);
  return std::nullopt;
}

/// The instance metadata service; any failure to reach it means "not on such a machine".
class InstanceMetadata {
 public:
  InstanceMetadata(http::Url base, std::chrono::milliseconds timeout, const std::stop_token& stop)
      : client_(local_client(timeout)), base_(std::move(base)), timeout_(timeout), stop_(stop) {}

  std::optional<std::string> ask(const char* method, std::string_view path) {
    http::Request request{.method = method, .url = at(base_, path)};
    request.verb = "ask";
    request.object = "the instance metadata service";
    request.deadline = timeout_;
    if (request.method == "PUT")
      request.headers.set("x-aws-ec2-metadata-token-ttl-seconds", "21600");
    else
      request.headers.set("x-aws-ec2-metadata-token", token_.reveal());
    try {
      http::Response response = client_.send(request, stop_, {.bytes = kMaxToken});
      if (response.status == 200) return std::move(response.body);
    } catch (const Error& e) {
      if (e.code() == Code::cancelled) throw;
    }
    return std::nullopt;
  }

  /// Version 2 only: version 1, without a token, can be abused through any open proxy.
  bool open() {
    auto token = ask("PUT", "/latest/api/token");
    if (!token || token->empty()) return false;
    token_ = Secret(header_value(std::move(*token), "instance metadata"));
    return true;
  }

 private:
  http::Client client_;
  const http::Url base_;
  const std::chrono::milliseconds timeout_;
  const std::stop_token& stop_;
  Secret token_;
};

http::Url instance_url(const Environment& env) {
  std::string text = "http://169.254.169.254";
  if (const auto mode = env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
      mode && (*mode == "IPv6" || *mode == "ipv6"))
    text = "http://[fd00:ec2::254]";
  try {
    return http::parse_url(env("AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or(text));
  } catch (const Error& e) {
    throw Error(Code::usage, "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL")
        .on("read", "credentials")
        .from(Side::local)
        .because(e);
  }
}

std::string trimmed_line(const std::string& text) {
  return text.substr(0, text.find_first_of("\r\n"));
}

}  // namespace

Error credentials_error(const std::string& origin, std::string message) {
  return Error(Code::auth, std::move(message))
      .on("read", "credentials: " + origin)
      .from(Side::local);
}

Credentials parse_credentials_json(std::string_view text, const char* token_key,
                                   const std::string& origin) {
  try {
    const Json json = parse_json(text, origin, {.bytes = 64 << 10, .depth = 8});
    Credentials out{get_string(json, "AccessKeyId", origin),
                    Secret(get_string(json, "SecretAccessKey", origin)),
                    Secret(find_string(json, token_key, origin).value_or("")), std::nullopt,
                    origin};
    if (const auto expires = find_string(json, "Expiration", origin)) {
      out.expires = parse_rfc3339(*expires);
      if (!out.expires) throw credentials_error(origin, "Expiration is not a time");
    }
    if (out.access_key_id.empty() || out.secret_access_key.empty())
      throw credentials_error(origin, "AccessKeyId or SecretAccessKey is empty");
    return out;
  } catch (const Error& e) {
    if (e.code() != Code::malformed) throw;
    throw credentials_error(origin, "no JSON with AccessKeyId and SecretAccessKey came back");
  }
}

bool container_host_allowed(const http::Url& url) {
  constexpr std::array<std::string_view, 3> kHosts{"169.254.170.2", "169.254.170.23",
                                                   "[fd00:ec2::23]"};
  return url.scheme == "https" || http::is_loopback(url) ||
         std::find(kHosts.begin(), kHosts.end(), url.host) != kHosts.end();
}

CredentialSource container_credentials(const CredentialsOptions& options) {
  return [options](const std::stop_token& stop) -> std::optional<Credentials> {
    const std::string origin = "container";
    const auto relative = options.env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const auto full = options.env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (!relative && !full) return std::nullopt;
    if (relative && !relative->starts_with('/'))
      throw credentials_error(origin, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI must begin with '/'");
    const http::Url url = http::parse_url(relative ? options.container_host + *relative : *full);
    if (!container_host_allowed(url))
      throw credentials_error(origin, url.origin() +
                                          " is not a host that may get the token: https, "
                                          "loopback or the fixed link-local addresses");
    http::Request request{.url = url};
    request.verb = "get credentials from";
    request.object = url.origin();
    request.deadline = kContainerTimeout;
    if (const auto token = container_token(options.env, origin))
      request.headers.set("Authorization", *token);
    http::Client client(local_client(kContainerTimeout));
    const http::Response response =
        http::send_with_retry(client, request, options.retry, stop, {.bytes = kMaxToken});
    if (response.status != 200)
      throw credentials_error(
          origin, fmt::format("{} answered with status {}", url.origin(), response.status));
    return parse_credentials_json(response.body, "Token", origin);
  };
}

CredentialSource instance_credentials(const CredentialsOptions& options) {
  return [options](const std::stop_token& stop) -> std::optional<Credentials> {
    if (is_true(options.env("AWS_EC2_METADATA_DISABLED"))) return std::nullopt;
    InstanceMetadata service(instance_url(options.env), options.instance_timeout, stop);
    if (!service.open()) return std::nullopt;
    const auto roles = service.ask("GET", kRolePath);
    if (!roles) return std::nullopt;
    const std::string role = trimmed_line(*roles);
    if (role.empty()) return std::nullopt;
    const std::string origin = "instance role " + role;
    const auto answer = service.ask("GET", kRolePath + http::percent_encode(role));
    if (!answer)
      throw credentials_error(origin, "the instance metadata service gave none").transient();
    return parse_credentials_json(*answer, "Token", origin);
  };
}

}  // namespace dray::s3
