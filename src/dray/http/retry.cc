#include "dray/http/retry.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "dray/base/time.h"
#include "dray/http/excerpt.h"

namespace dray::http {

namespace {

using std::chrono::milliseconds;

struct StatusRow {
  int status;
  Code code;
  Retry retry;
  const char* message;
  const char* hint;
};

constexpr StatusRow kStatuses[] = {
    {401, Code::auth, Retry::no, "credentials are missing or wrong",
     "check the token or keys for this service"},
    {403, Code::auth, Retry::no, "access denied", "check that the credentials in use may do this"},
    {404, Code::not_found, Retry::no, "not found", ""},
    {407, Code::auth, Retry::no, "the proxy wants credentials",
     "check the proxy settings (HTTPS_PROXY, NO_PROXY)"},
    {408, Code::network, Retry::yes, "the server waited too long for the request", ""},
    {409, Code::conflict, Retry::no, "conflict", ""},
    {410, Code::not_found, Retry::no, "gone", ""},
    {412, Code::precondition, Retry::no, "a condition of the request was false", ""},
    {413, Code::unsupported, Retry::no, "too large for the server", ""},
    {416, Code::malformed, Retry::no, "the range lies outside the file", ""},
    {429, Code::throttled, Retry::yes, "the server asks to slow down", ""},
    {501, Code::unsupported, Retry::no, "the server cannot do this", ""},
    {505, Code::unsupported, Retry::no, "the server cannot do this", ""},
    {507, Code::storage, Retry::no, "the server has no space left", ""},
    {511, Code::auth, Retry::no, "the network wants a login first", "log in to the network"},
};

StatusRow row(int status) {
  for (const StatusRow& r : kStatuses)
    if (r.status == status) return r;
  if (status >= 500) return {status, Code::server, Retry::yes, "the server failed", ""};
  if (status >= 400)
    return {status, Code::internal, Retry::no, "the server refused the request", ""};
  if (status >= 300) return {status, Code::internal, Retry::no, "an unexpected redirect", ""};
  return {status, Code::malformed, Retry::no, "an unexpected answer", ""};
}

std::optional<milliseconds> wait_asked_for(const Headers& headers) {
  // The Hub sends RateLimit with every answer; only an empty quota is a reason to wait, and one
  // second more keeps clear of the rounding.
  const auto quota = parse_rate_limit(headers.get("RateLimit").value_or(""));
  if (quota && quota->remaining == 0) return quota->reset + std::chrono::seconds(1);
  if (const auto text = headers.get("Retry-After"))
    if (const auto wait = parse_retry_after(*text)) return *wait;
  return std::nullopt;
}

Error gave_up(const Error& error, int tries) {
  if (tries < 2) return error;
  Error out(error.code(), fmt::format("{}; gave up after {} tries", error.message(), tries));
  if (!error.verb().empty()) out = std::move(out).on(error.verb(), error.object());
  out = std::move(out).from(error.side()).hint(error.hint()).transient();
  out = std::move(out).http(error.http_status(), error.server_code(), error.request_id());
  if (error.retry_after()) out = std::move(out).retry_after(*error.retry_after());
  if (error.cause() != nullptr) out = std::move(out).because(*error.cause());
  return out;
}

/// Random in [0.5, 1] of the exponential delay, so that many clients do not come back at once.
milliseconds backoff(const RetryPolicy& policy, int failures) {
  const int doublings = std::min(failures - 1, 20);
  const milliseconds full = std::min(policy.cap, policy.base * (std::int64_t{1} << doublings));
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::uniform_int_distribution<std::int64_t> pick(full.count() / 2, full.count());
  return milliseconds(pick(random));
}

}  // namespace

void Retrier::failed(const Error& error, const std::stop_token& stop) {
  ++failures_;
  if (error.retry() != Retry::yes) throw Error(error);
  if (failures_ >= policy_.tries) throw gave_up(error, failures_);
  milliseconds wait = backoff(policy_, failures_);
  if (error.retry_after())
    wait = std::max(wait, std::min(*error.retry_after(), policy_.longest_wait));
  if (policy_.on_retry) policy_.on_retry(error, wait);
  const bool waited = policy_.sleep ? policy_.sleep(stop, wait) : wait_for(stop, wait);
  if (!waited)
    throw Error(Code::cancelled, "stopped").on(error.verb(), error.object()).because(error);
}

Error status_error(const Request& request, const Response& response) {
  const StatusRow r = row(response.status);
  std::string message = r.message;
  if (const std::string excerpt = body_excerpt(response); !excerpt.empty())
    message += ": " + excerpt;
  Error error = Error(r.code, std::move(message))
                    .on(request.verb.empty() ? request.method : request.verb,
                        request.object.empty() ? request.url.shown() : request.object)
                    .from(request.side)
                    .http(response.status, body_code(response), request_id(response.headers));
  if (*r.hint != '\0') error = std::move(error).hint(r.hint);
  if (r.retry == Retry::yes) error = std::move(error).transient();
  if (const auto wait = wait_asked_for(response.headers))
    error = std::move(error).retry_after(*wait);
  return error;
}

Response send_with_retry(Client& client, const Request& request, const RetryPolicy& policy,
                         const std::stop_token& stop, BodyLimit limit) {
  Retrier retrier(policy);
  for (;;) {
    try {
      Response response = client.send(request, stop, limit);
      if (row(response.status).retry != Retry::yes) return response;
      throw status_error(request, response);
    } catch (const Error& error) {
      retrier.failed(error, stop);
    }
  }
}

}  // namespace dray::http
