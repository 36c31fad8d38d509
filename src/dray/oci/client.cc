#include "dray/oci/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/oci/answers.h"
#include "dray/oci/client_impl.h"

namespace dray::oci {

namespace {

constexpr std::chrono::seconds kMinLife{30};  // of a token that a request begins with
constexpr int kMostLogins = 4;                // others may use up or renew a token at the same time

std::optional<Credentials> used(const Credentials& credentials) {
  if (credentials.empty()) return std::nullopt;
  return credentials;
}

}  // namespace

Client::Impl::Impl(ClientOptions given)
    : options(std::move(given)),
      base(options.reference.url()),
      shown("oci://" + options.reference.host + "/" + options.reference.repository),
      http(options.http),
      authorizer(http, options.reference, used(options.credentials),
                 {.retry = options.retry, .side = options.side}) {}

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

Client::~Client() = default;

const Reference& Client::reference() const { return impl_->options.reference; }

std::string Client::name() const { return impl_->shown; }

http::Url Client::Impl::url(std::string_view rest) const {
  http::Url out = base;
  out.path = fmt::format("/v2/{}/{}", options.reference.repository, rest);
  return out;
}

http::Request Client::Impl::request(const char* method, http::Url url, const char* verb,
                                    const std::string& object) const {
  http::Request out;
  out.method = method;
  out.url = std::move(url);
  out.side = options.side;
  out.verb = verb;
  out.object = object.empty() ? shown : shown + (object.starts_with("sha") ? "@" : ":") + object;
  return out;
}

bool Client::Impl::at_registry(const http::Url& url) const { return url.origin() == base.origin(); }

Scopes Client::Impl::rights() const {
  return Scopes::repository(options.reference.repository, options.writes ? "pull,push" : "pull");
}

http::Response Client::Impl::send(http::Request request, const Send& send,
                                  const std::stop_token& stop, bool repeatable,
                                  const Scopes& more) {
  if (!at_registry(request.url)) return send(request);
  Scopes wanted = rights();
  wanted.add(more);
  for (int logins = 0;; ++logins) {
    request.headers.remove("Authorization");
    const Secret header = authorizer.header(wanted, kMinLife, stop);
    if (!header.empty()) request.headers.set("Authorization", header.reveal());
    http::Response response = send(request);
    if (response.status != 401) authorizer.accepted(wanted, header);
    if (response.status != 401 || logins == kMostLogins) return response;
    authorizer.challenged(request, response, wanted);  // learns how to log in, or throws
    if (!repeatable) return response;
  }
}

http::Response Client::Impl::send(const http::Request& request, const std::stop_token& stop,
                                  http::BodyLimit limit, const Scopes& more) {
  return send(
      request, [&](const http::Request& r) { return http.send(r, stop, limit); }, stop, true, more);
}

http::Response Client::Impl::send_with_retry(const http::Request& request,
                                             const std::stop_token& stop, http::BodyLimit limit,
                                             const Scopes& more) {
  http::Retrier retrier(options.retry);
  for (;;) {
    try {
      http::Response response = send(request, stop, limit, more);
      const Error error = http::status_error(request, response);
      if (response.status < 400 || !error.retryable()) return response;
      throw error;
    } catch (const Error& error) {
      retrier.failed(error, stop);
    }
  }
}

Error Client::Impl::refusal(const http::Request& request, const http::Response& response) const {
  if (response.status == 401 || response.status == 403)
    return authorizer.refusal(request, response, rights());
  return answer_error(request, response,
                      options.reference.host + "/" + options.reference.repository);
}

http::Url Client::Impl::follow(const http::Url& from, const http::Response& response) const {
  const std::string target = response.headers.get("Location").value_or("");
  if (target.empty())
    throw Error(Code::malformed, "the answer leads elsewhere and does not say where")
        .on("reach", shown)
        .from(options.side);
  http::Url out = http::resolve(from, target);
  // A registry behind a proxy that ends TLS may not know that it is reached by https.
  if (from.scheme == "https" && out.scheme == "http" && out.host == from.host) {
    out.scheme = from.scheme;
    out.port = from.port;
  }
  return out;
}

void Client::check_access(const std::stop_token& stop) {
  if (!impl_->options.writes) {
    http::Url url = impl_->base;
    url.path = "/v2/";
    const http::Request request = impl_->request("GET", url, "reach", "");
    const http::Response response = impl_->send_with_retry(request, stop);
    if (response.status / 100 != 2) throw impl_->refusal(request, response);
    return;
  }
  cancel_upload(begin_upload(stop), stop);
}

}  // namespace dray::oci
