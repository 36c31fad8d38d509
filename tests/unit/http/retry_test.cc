#include "dray/http/retry.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dray/base/time.h"
#include "tests/support/errors.h"
#include "tests/support/raw_server.h"

namespace dray::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::error_of;
using test::RawRequest;
using test::RawResponse;
using test::RawServer;

/// A policy that notes its waits instead of waiting.
class HttpRetry : public testing::Test {
 protected:
  RetryPolicy policy() {
    RetryPolicy policy;
    policy.sleep = [this](const std::stop_token& stop, milliseconds wait) {
      waits_.push_back(wait);
      return !stop.stop_requested();
    };
    return policy;
  }
  /// A server that gives these answers in turn, the last one for ever.
  RawServer::Handler in_turn(std::vector<RawResponse> answers) {
    return [answers = std::move(answers), next = std::size_t{0}](const RawRequest&) mutable {
      const std::size_t i = next;
      if (next + 1 < answers.size()) ++next;
      return answers[i];
    };
  }
  static Request to(const RawServer& server) {
    return {.url = parse_url(server.url() + "/x"), .verb = "list", .object = "things"};
  }

  std::vector<milliseconds> waits_;
  Client client_;
};

TEST_F(HttpRetry, TriesAgainUntilItWorks) {
  RawServer server(in_turn({{.drop = true}, {.status = 503}, {.status = 408}, {.body = "good"}}));
  std::vector<milliseconds> told;
  RetryPolicy policy = HttpRetry::policy();
  policy.on_retry = [&](const Error& error, milliseconds wait) {
    EXPECT_TRUE(error.retryable());
    told.push_back(wait);
  };
  EXPECT_EQ(send_with_retry(client_, to(server), policy).body, "good");
  EXPECT_EQ(told.size(), 3U);
  EXPECT_EQ(told, waits_);
}

TEST_F(HttpRetry, StatusesThatWillNotPassAreReturnedAtOnce) {
  for (const int status : {200, 206, 302, 304, 400, 401, 403, 404, 409, 412, 416, 501, 505, 507}) {
    RawServer server(in_turn({{.status = status}}));
    EXPECT_EQ(send_with_retry(client_, to(server), policy()).status, status);
    EXPECT_EQ(server.requests().size(), 1U) << status;
  }
  EXPECT_TRUE(waits_.empty());
}

TEST_F(HttpRetry, AfterALostAnswerOnlyWhatMayBeDoneTwiceIsSentAgain) {
  RawServer once(in_turn({{.drop = true}, {.body = "good"}}));
  Request request = to(once);
  request.method = "POST";
  EXPECT_EQ(error_of([&] { send_with_retry(client_, request, policy()); }).retry(),
            Retry::ambiguous);
  EXPECT_EQ(once.requests().size(), 1U);
  RawServer twice(in_turn({{.drop = true}, {.body = "good"}}));
  request = to(twice);
  request.method = "POST";
  request.repeatable = true;
  EXPECT_EQ(send_with_retry(client_, request, policy()).body, "good");
  EXPECT_EQ(twice.requests().size(), 2U);
}

TEST_F(HttpRetry, GivesUpAndSaysHowOftenItTried) {
  RawServer server(
      in_turn({{.status = 502, .headers = {{"X-Request-Id", "r1"}}, .body = "bad day"}}));
  const Error error = error_of([&] { send_with_retry(client_, to(server), policy()); });
  EXPECT_EQ(server.requests().size(), 6U);
  EXPECT_EQ(waits_.size(), 5U);
  EXPECT_EQ(error.code(), Code::server);
  EXPECT_STREQ(error.what(),
               "list things: the server failed: bad day; gave up after 6 tries (HTTP 502)");
  EXPECT_EQ(error.request_id(), "r1");
  EXPECT_TRUE(error.retryable()) << "the user may run it again";
}

TEST_F(HttpRetry, WaitsAtRandomInTheUpperHalfOfADoublingDelay) {
  RetryPolicy policy = HttpRetry::policy();
  policy.tries = 40;
  policy.base = milliseconds(100);
  policy.cap = milliseconds(5000);
  Retrier retrier(policy);
  const Error error = Error(Code::network, "reset").transient();
  for (int i = 0; i < 39; ++i) retrier.failed(error, {});
  milliseconds full = policy.base;
  for (const milliseconds wait : waits_) {
    EXPECT_GE(wait, full / 2);
    EXPECT_LE(wait, full);
    full = std::min(full * 2, policy.cap);
  }
  EXPECT_THROW(retrier.failed(error, {}), Error);
  EXPECT_EQ(retrier.failures(), 40);
}

TEST_F(HttpRetry, ClientsDoNotWaitInStep) {
  const Error error = Error(Code::network, "reset").transient();
  for (int i = 0; i < 20; ++i) Retrier(policy()).failed(error, {});
  EXPECT_NE(std::vector<milliseconds>(20, waits_[0]), waits_);
}

TEST_F(HttpRetry, WaitsAsLongAsTheServerAsks) {
  for (const int status : {429, 503}) {
    waits_.clear();
    RawServer server(
        in_turn({{.status = status, .headers = {{"Retry-After", "45"}}}, {.body = "good"}}));
    EXPECT_EQ(send_with_retry(client_, to(server), policy()).body, "good");
    EXPECT_EQ(waits_, std::vector<milliseconds>{seconds(45)});
  }
}

TEST_F(HttpRetry, WaitsForTheHubsQuotaOnlyWhenItIsUsedUp) {
  RawServer server(in_turn({{.status = 429, .headers = {{"RateLimit", "\"api\";r=0;t=37"}}},
                            {.status = 429, .headers = {{"RateLimit", "\"api\";r=5;t=250"}}},
                            {.body = "good"}}));
  EXPECT_EQ(send_with_retry(client_, to(server), policy()).body, "good");
  ASSERT_EQ(waits_.size(), 2U);
  EXPECT_EQ(waits_[0], seconds(38));
  EXPECT_LT(waits_[1], seconds(2));
}

TEST_F(HttpRetry, TheWaitTheServerAsksForIsBounded) {
  RetryPolicy policy = HttpRetry::policy();
  Retrier retrier(policy);
  retrier.failed(Error(Code::throttled, "slow").transient().retry_after(seconds(3600)), {});
  EXPECT_EQ(waits_, std::vector<milliseconds>{policy.longest_wait});
}

TEST_F(HttpRetry, PermanentAndAmbiguousErrorsAreThrownAsTheyAre) {
  Retrier retrier(policy());
  const Error permanent = error_of([&] { retrier.failed(Error(Code::auth, "no"), {}); });
  EXPECT_STREQ(permanent.what(), "no");
  const Error ambiguous =
      error_of([&] { retrier.failed(Error(Code::network, "lost").ambiguous(), {}); });
  EXPECT_STREQ(ambiguous.what(), "lost");
  EXPECT_EQ(ambiguous.retry(), Retry::ambiguous);
  EXPECT_TRUE(waits_.empty());
}

TEST_F(HttpRetry, AStopWhileWaitingIsACancellation) {
  std::stop_source stop;
  stop.request_stop();
  Retrier retrier(policy());
  const Error error = error_of(
      [&] { retrier.failed(Error(Code::network, "reset").transient(), stop.get_token()); });
  EXPECT_EQ(error.code(), Code::cancelled);
}

TEST_F(HttpRetry, WithoutAnInjectedSleepItReallyWaits) {
  Retrier retrier({.base = milliseconds(20)});
  const auto start = std::chrono::steady_clock::now();
  retrier.failed(Error(Code::network, "reset").transient(), {});
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(10));
}

Error error_for(int status, const std::string& body = "", Headers headers = {}) {
  const Request request{.url = parse_url("https://h/p?sig=secret"), .side = Side::registry};
  return status_error(request, {.status = status, .headers = std::move(headers), .body = body});
}

TEST(HttpStatusError, MapsStatuses) {
  struct Row {
    int status;
    Code code;
    Retry retry;
  };
  for (const Row& row : std::initializer_list<Row>{{401, Code::auth, Retry::no},
                                                   {403, Code::auth, Retry::no},
                                                   {404, Code::not_found, Retry::no},
                                                   {407, Code::auth, Retry::no},
                                                   {408, Code::network, Retry::yes},
                                                   {409, Code::conflict, Retry::no},
                                                   {412, Code::precondition, Retry::no},
                                                   {429, Code::throttled, Retry::yes},
                                                   {500, Code::server, Retry::yes},
                                                   {501, Code::unsupported, Retry::no},
                                                   {503, Code::server, Retry::yes},
                                                   {504, Code::server, Retry::yes},
                                                   {507, Code::storage, Retry::no},
                                                   {418, Code::internal, Retry::no},
                                                   {302, Code::internal, Retry::no}}) {
    const Error error = error_for(row.status);
    EXPECT_EQ(error.code(), row.code) << row.status;
    EXPECT_EQ(error.retry(), row.retry) << row.status;
    EXPECT_EQ(error.http_status(), row.status);
    EXPECT_EQ(error.side(), Side::registry);
  }
}

TEST(HttpStatusError, SaysWhatTheServerSays) {
  Headers headers;
  headers.add("x-amz-request-id", "ID9");
  const Error error = error_for(
      403, "<Error><Code>AccessDenied</Code><Message>No &lt;way&gt;</Message></Error>", headers);
  EXPECT_STREQ(error.what(),
               "GET https://h/p?sig=...: access denied: No <way> (HTTP 403 AccessDenied)");
  EXPECT_EQ(error.request_id(), "ID9");
  EXPECT_NE(error.hint(), "");
}

TEST(HttpStatusError, CarriesRetryAfter) {
  Headers headers;
  EXPECT_EQ(error_for(429).retry_after(), std::nullopt);
  headers.add("Retry-After", "7");
  EXPECT_EQ(error_for(429, "", headers).retry_after(), seconds(7));
  headers.add("RateLimit", "\"api\";r=0;t=99");
  EXPECT_EQ(error_for(429, "", headers).retry_after(), seconds(100));
}

}  // namespace
}  // namespace dray::http
