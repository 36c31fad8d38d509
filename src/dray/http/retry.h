// The retry policy: for requests without a body here, for parts in the transfer room.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "dray/base/error.h"
#include "dray/http/client.h"

namespace dray::http {

/// A prototype, copied per operation. Delay of try i (0-based) is random in [0.5, 1] × min(cap,
/// base × 2^i), or what the server asked for (up to `longest_wait`), whichever is longer.
struct RetryPolicy {
  int tries = 6;
  std::chrono::milliseconds base{300};
  std::chrono::milliseconds cap{20'000};
  std::chrono::milliseconds longest_wait{330'000};  // the Hub's quota window is five minutes
  /// Waits; returns false if stopped. Tests inject their own. Default: dray::wait_for.
  std::function<bool(std::stop_token, std::chrono::milliseconds)> sleep;
  std::function<void(const Error&, std::chrono::milliseconds wait)>
      on_retry;  // for progress and logs
};

class Retrier {
 public:
  explicit Retrier(RetryPolicy policy) : policy_(std::move(policy)) {}
  /// After a failed try: waits and returns if another try is due; otherwise throws `error`, its
  /// message completed with "gave up after N tries" when it was retryable. Ambiguous errors are not
  /// retried here.
  void failed(const Error& error, const std::stop_token& stop);
  int failures() const { return failures_; }

 private:
  RetryPolicy policy_;
  int failures_ = 0;
};

/// The error for an HTTP answer outside 2xx: 401/403 auth, 404 not_found, 408/429/5xx retryable,
/// 412 precondition, 409 conflict …, with Retry-After, request id and a short, cleaned excerpt of
/// the body.
Error status_error(const Request& request, const Response& response);

/// Sends a request until it gives a status that is not 408, 429 or a 5xx that may pass (501, 505,
/// 507 and 511 do not). After a lost answer only what is GET, HEAD or `repeatable` is sent again.
/// Other statuses, 4xx included, are returned for the caller to judge.
Response send_with_retry(Client& client, const Request& request, const RetryPolicy& policy,
                         const std::stop_token& stop = {}, BodyLimit limit = {});

}  // namespace dray::http
