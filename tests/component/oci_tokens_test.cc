// Authorizing requests to a registry, against a token service in this process.
#include "dray/oci/tokens.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/file.h"
#include "dray/base/log.h"
#include "tests/support/errors.h"
#include "tests/support/raw_server.h"
#include "tests/support/temp_folder.h"
#include "tests/support/variables.h"

namespace dray::oci {
namespace {

using std::chrono::seconds;
using test::error_of;
using test::RawRequest;
using test::RawResponse;
using test::RawServer;

const Scopes kPull = Scopes::repository("org/name", "pull");
const Scopes kPush = Scopes::repository("org/name", "pull,push");

std::string all_text(const Error& error) { return std::string(error.what()) + error.hint(); }

bool has(const Error& error, const std::string& text) {
  return all_text(error).find(text) != std::string::npos;
}

/// All values of a key of a query or form, joined by '|'.
std::string values(const std::string& query, const std::string& key) {
  std::string out;
  for (const auto& [name, value] : http::parse_query(query))
    if (name == key) out += (out.empty() ? "" : "|") + value;
  return out;
}

Credentials password() {
  return {.user = "me", .password = Secret("hidden"), .origin = "~/the.json"};
}

Credentials identity() {
  return {.user = "<token>", .identity_token = Secret("hidden+1"), .origin = "~/the.json"};
}

/// A token service that gives "t1", "t2", … unless told otherwise, and an Authorizer of a registry
/// whose realm it is.
class OciTokens : public ::testing::Test {
 protected:
  RawResponse answer(const RawRequest& request) {
    std::function<RawResponse(int)> instead;
    int number = 0;
    {
      const std::lock_guard lock(mutex_);
      seen_.push_back(request);
      number = static_cast<int>(seen_.size());
      instead = instead_;
    }
    if (instead) return instead(number);
    return {.body = R"({"token":"t)" + std::to_string(number) + R"(","expires_in":)" +
                    std::to_string(life_) + "}"};
  }

  Authorizer& authorizer(std::optional<Credentials> credentials = std::nullopt,
                         const std::string& registry = "oci://registry.example/org/name") {
    AuthorizerOptions options;
    options.side = Side::destination;
    options.now = [this] { return now_.load(); };
    options.retry.tries = 3;
    options.retry.sleep = [this](std::stop_token, std::chrono::milliseconds) {
      ++waits_;
      return true;
    };
    authorizer_.emplace(client_, parse_reference(registry), std::move(credentials), options);
    return *authorizer_;
  }

  /// What the registry says when `sent` is not good enough.
  void challenge(const std::string& value, const Scopes& scopes = kPush,
                 const std::string& sent = "") {
    http::Response response{.status = 401};
    if (!value.empty()) response.headers.add("WWW-Authenticate", value);
    authorizer_->challenged(request_with(sent), response, scopes);
  }
  static http::Request request_with(const std::string& sent) {
    http::Request request{.method = "PUT", .url = http::parse_url("https://registry.example/v2/x")};
    request.side = Side::destination;
    request.verb = "write";
    request.object = "oci://registry.example/org/name";
    if (!sent.empty()) request.headers.set("Authorization", sent);
    return request;
  }
  std::string bearer(const std::string& more = "") const {
    return "Bearer realm=\"" + service_.url() + "/token\",service=\"reg\"" + more;
  }
  std::string header(const Scopes& scopes = kPush, int min_life = 0) {
    return authorizer_->header(scopes, seconds(min_life)).reveal();
  }
  Error refusal(const Scopes& scopes = kPush) {
    return error_of([&] { header(scopes); });
  }

  RawRequest seen(std::size_t index) {
    const std::lock_guard lock(mutex_);
    return seen_.at(index);
  }
  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return seen_.size();
  }

  std::mutex mutex_;
  std::vector<RawRequest> seen_;
  std::function<RawResponse(int number)> instead_;
  int life_ = 300;
  std::atomic<UnixTime> now_{1'800'000'000};
  std::atomic<int> waits_{0};
  http::Client client_;
  RawServer service_{[this](const RawRequest& request) { return answer(request); }};
  std::optional<Authorizer> authorizer_;
};

TEST_F(OciTokens, NothingIsSentBeforeTheRegistryAsks) {
  authorizer(password());
  EXPECT_EQ(header(), "");
  EXPECT_EQ(count(), 0u);
}

TEST_F(OciTokens, WithoutANameATokenIsAskedForOnceForTheSameScopes) {
  authorizer();
  challenge(bearer(",scope=\"repository:org/name:pull\""), kPull);
  EXPECT_EQ(header(kPull), "Bearer t1");
  EXPECT_EQ(header(kPull), "Bearer t1");
  ASSERT_EQ(count(), 1u);
  EXPECT_EQ(seen(0).method, "GET");
  EXPECT_EQ(seen(0).path, "/token");
  EXPECT_EQ(values(seen(0).query, "service"), "reg");
  EXPECT_EQ(values(seen(0).query, "scope"), "repository:org/name:pull");
  EXPECT_EQ(seen(0).header("authorization"), "");
}

TEST_F(OciTokens, WithANameAndSeveralScopes) {
  authorizer(password());
  challenge("Bearer realm=\"" + service_.url() + "/token?account=x\",service=\"a b\"");
  Scopes mount = kPush;
  mount.add(Scopes::repository("other/name", "pull"));
  EXPECT_EQ(header(mount), "Bearer t1");
  EXPECT_EQ(seen(0).header("authorization"), "Basic bWU6aGlkZGVu");
  EXPECT_EQ(values(seen(0).query, "account"), "x");
  EXPECT_EQ(values(seen(0).query, "service"), "a b");
  EXPECT_EQ(values(seen(0).query, "scope"),
            "repository:org/name:pull,push|repository:other/name:pull");
  // Each set of scopes has its own token.
  EXPECT_EQ(header(kPull), "Bearer t2");
  EXPECT_EQ(header(mount), "Bearer t1");
  EXPECT_EQ(header(Scopes()), "Bearer t3");
  EXPECT_EQ(values(seen(2).query, "scope"), "");
}

TEST_F(OciTokens, AreRenewedWhenTooLittleIsLeft) {
  authorizer();
  challenge(bearer());
  EXPECT_EQ(header(), "Bearer t1");
  now_ += 199;
  EXPECT_EQ(header(kPush, 100), "Bearer t1");
  now_ += 1;
  EXPECT_EQ(header(kPush, 0), "Bearer t1");
  EXPECT_EQ(header(kPush, 100), "Bearer t2");
  now_ += 299;
  EXPECT_EQ(header(), "Bearer t2");
  now_ += 1;
  EXPECT_EQ(header(), "Bearer t3");
}

TEST_F(OciTokens, NobodyCanAskForMoreThanHalfOfTheirLife) {
  life_ = 60;
  authorizer();
  challenge(bearer());
  EXPECT_EQ(header(kPush, 3600), "Bearer t1");
  now_ += 29;
  EXPECT_EQ(header(kPush, 3600), "Bearer t1");
  now_ += 1;
  EXPECT_EQ(header(kPush, 3600), "Bearer t2");
}

TEST_F(OciTokens, AgeIsToldByTheClockOfTheService) {
  // Half an hour of this token is over; that the machine's clock is years away says nothing.
  instead_ = [](int number) {
    return RawResponse{.headers = {{"Date", http_date(1'000'001'800)}},
                       .body = R"({"token":"t)" + std::to_string(number) +
                               R"(","expires_in":3600,"issued_at":")" + rfc3339(1'000'000'000) +
                               "\"}"};
  };
  authorizer();
  challenge(bearer());
  EXPECT_EQ(header(), "Bearer t1");
  now_ += 1799;
  EXPECT_EQ(header(), "Bearer t1");
  now_ += 1;
  EXPECT_EQ(header(), "Bearer t2");
}

TEST_F(OciTokens, AnIdentityTokenIsExchangedByPost) {
  instead_ = [](int number) {
    return RawResponse{.body = R"({"access_token":"t)" + std::to_string(number) +
                               (number == 1 ? R"(","refresh_token":"newer"})" : "\"}")};
  };
  authorizer(identity());
  challenge(bearer());
  Scopes mount = kPush;
  mount.add(Scopes::repository("other", "pull"));
  EXPECT_EQ(header(mount), "Bearer t1");
  EXPECT_EQ(seen(0).method, "POST");
  EXPECT_EQ(seen(0).query, "");
  EXPECT_EQ(seen(0).header("authorization"), "");
  EXPECT_EQ(seen(0).header("content-type"), "application/x-www-form-urlencoded");
  EXPECT_EQ(values(seen(0).body, "grant_type"), "refresh_token");
  EXPECT_EQ(values(seen(0).body, "refresh_token"), "hidden+1");
  EXPECT_EQ(values(seen(0).body, "service"), "reg");
  EXPECT_EQ(values(seen(0).body, "client_id"), "dray");
  EXPECT_EQ(values(seen(0).body, "scope"), "repository:org/name:pull,push repository:other:pull");
  // The service has replaced the identity token.
  EXPECT_EQ(header(kPull), "Bearer t2");
  EXPECT_EQ(values(seen(1).body, "refresh_token"), "newer");
}

TEST_F(OciTokens, AServiceWithoutPostGetsTheIdentityTokenAsAPassword) {
  for (const int status : {404, 405}) {
    const auto before = static_cast<int>(count());
    instead_ = [=](int number) {
      return number == before + 1 ? RawResponse{.status = status}
                                  : RawResponse{.body = R"({"token":"t"})"};
    };
    authorizer(identity());
    challenge(bearer());
    EXPECT_EQ(header(), "Bearer t");
    ASSERT_EQ(count(), static_cast<std::size_t>(before) + 2);
    EXPECT_EQ(seen(count() - 1).method, "GET");
    EXPECT_EQ(seen(count() - 1).header("authorization"),
              "Basic " + to_base64(as_bytes("<token>:hidden+1")));
  }
}

TEST_F(OciTokens, ARegistryTokenIsSentAsItIs) {
  authorizer(Credentials{.registry_token = Secret("ready"), .origin = "~/the.json"});
  challenge(bearer());
  EXPECT_EQ(header(), "Bearer ready");
  EXPECT_EQ(count(), 0u);
  const Error refused = error_of([&] { challenge(bearer(), kPush, "Bearer ready"); });
  EXPECT_EQ(refused.code(), Code::auth);
  EXPECT_TRUE(has(refused, "~/the.json"));
  EXPECT_FALSE(has(refused, "ready"));
  EXPECT_EQ(error_of([&] {
              authorizer(Credentials{.registry_token = Secret("a\r\nb"), .origin = "x"});
            }).code(),
            Code::malformed);
}

TEST_F(OciTokens, WrongCredentialsAreToldWithTheirPlace) {
  instead_ = [](int) {
    return RawResponse{.status = 401,
                       .body = R"({"errors":[{"code":"UNAUTHORIZED","message":"bad password"}]})"};
  };
  authorizer(password());
  challenge(bearer());
  const Error error = refusal();
  EXPECT_EQ(error.code(), Code::auth);
  EXPECT_EQ(error.side(), Side::destination);
  EXPECT_EQ(error.http_status(), 401);
  EXPECT_EQ(error.server_code(), "UNAUTHORIZED");
  EXPECT_TRUE(has(error, "bad password"));
  EXPECT_TRUE(has(error, "registry.example"));
  EXPECT_TRUE(has(error, "~/the.json"));
  EXPECT_TRUE(has(error, "REGISTRY_AUTH_FILE"));
  EXPECT_EQ(count(), 1u);  // asking again could lock the account
}

TEST_F(OciTokens, ASecretInAnAnswerIsNotRepeated) {
  instead_ = [](int) {
    return RawResponse{.status = 401, .body = R"({"message":"no user me with hidden"})"};
  };
  authorizer(password());
  challenge(bearer());
  EXPECT_FALSE(has(refusal(), "hidden"));
  instead_ = [](int) {
    return RawResponse{.status = 400, .body = R"({"error":"invalid_grant: hidden+1"})"};
  };
  authorizer(identity());
  challenge(bearer());
  const Error error = refusal();
  EXPECT_EQ(error.code(), Code::auth);
  EXPECT_FALSE(has(error, "hidden"));
  EXPECT_TRUE(has(error, "~/the.json"));
}

TEST_F(OciTokens, WithoutANameItIsToldHowToGiveOne) {
  instead_ = [](int) { return RawResponse{.status = 401}; };
  authorizer();
  challenge(bearer());
  const Error error = refusal();
  EXPECT_EQ(error.code(), Code::auth);
  EXPECT_TRUE(has(error, "none were found"));
  EXPECT_TRUE(has(error, "login registry.example"));
}

TEST_F(OciTokens, WhoIsKnownButMayNotIsToldWhichRight) {
  instead_ = [](int) { return RawResponse{.status = 403}; };
  authorizer(password());
  challenge(bearer());
  Scopes mount = kPush;
  mount.add(Scopes::repository("other", "pull"));
  const Error push = refusal(mount);
  EXPECT_EQ(push.code(), Code::auth);
  EXPECT_TRUE(has(push, "check that me may push to org/name;")) << all_text(push);
  EXPECT_TRUE(has(push, "~/the.json"));
  EXPECT_TRUE(has(refusal(kPull), "may pull from org/name;"));
}

TEST_F(OciTokens, CredentialsDoNotGoUnencryptedToAnotherHost) {
  for (const auto& credentials : {password(), identity()}) {
    authorizer(credentials);
    challenge("Bearer realm=\"http://auth.invalid/token\"");
    const Error error = refusal();
    EXPECT_EQ(error.code(), Code::auth);
    EXPECT_TRUE(has(error, "http://auth.invalid"));
    EXPECT_TRUE(has(error, "unencrypted"));
    EXPECT_EQ(error.http_status(), 0);  // nothing was sent
  }
  EXPECT_EQ(waits_, 0);
}

TEST_F(OciTokens, RedirectsAreNotFollowed) {
  RawServer elsewhere([](const RawRequest&) { return RawResponse{.body = R"({"token":"t"})"}; });
  instead_ = [&](int) {
    return RawResponse{.status = 307, .headers = {{"Location", elsewhere.url() + "/x?sig=secret"}}};
  };
  for (const auto& credentials : {password(), identity()}) {
    authorizer(credentials);
    challenge(bearer());
    const Error error = refusal();
    EXPECT_EQ(error.code(), Code::auth);
    EXPECT_TRUE(has(error, elsewhere.url()));
    EXPECT_FALSE(has(error, "secret"));
  }
  EXPECT_EQ(elsewhere.requests().size(), 0u);
}

TEST_F(OciTokens, TroubleIsTriedAgain) {
  for (const auto& credentials : {password(), identity()}) {
    const auto before = static_cast<int>(count());
    waits_ = 0;
    instead_ = [=](int number) -> RawResponse {
      if (number == before + 1) return {.status = 503};
      if (number == before + 2) return {.body = "cut off", .reset_after = 3};
      return {.body = R"({"token":"t"})"};
    };
    authorizer(credentials);
    challenge(bearer());
    EXPECT_EQ(header(), "Bearer t");
    EXPECT_EQ(waits_, 2);
  }
  instead_ = [](int) { return RawResponse{.status = 500}; };
  authorizer();
  challenge(bearer());
  const Error error = refusal();
  EXPECT_EQ(error.code(), Code::server);
  EXPECT_TRUE(error.retryable());
}

TEST_F(OciTokens, AnswersWithoutATokenOrTooLargeAreMalformed) {
  for (const std::string& body :
       {std::string("<html>hidden</html>"), std::string("{}"),
        std::string(R"({"token":"hid den"})"),
        R"({"token":"hidden","x":")" + std::string(2 << 20, 'x') + "\"}"}) {
    instead_ = [&](int) { return RawResponse{.body = body}; };
    authorizer();
    challenge(bearer());
    const Error error = refusal();
    EXPECT_EQ(error.code(), Code::malformed) << body.substr(0, 50);
    EXPECT_EQ(error.side(), Side::destination);
    EXPECT_FALSE(has(error, "hid"));
  }
}

TEST_F(OciTokens, ManyThreadsWaitForOneRequest) {
  constexpr int kThreads = 8;
  std::latch all_there(kThreads);
  instead_ = [&](int number) {
    all_there.wait();
    return RawResponse{.body = R"({"token":"t)" + std::to_string(number) + "\"}"};
  };
  Authorizer& shared = authorizer();
  challenge(bearer());
  std::vector<std::string> got(kThreads);
  {
    std::vector<std::jthread> threads;
    for (std::string& mine : got)
      threads.emplace_back([&] {
        all_there.count_down();
        mine = shared.header(kPush, seconds(10)).reveal();
      });
  }
  EXPECT_EQ(got, std::vector<std::string>(kThreads, "Bearer t1"));
  EXPECT_EQ(count(), 1u);
}

TEST_F(OciTokens, WhoIsStoppedLeavesTheOthersToGoOn) {
  std::latch asked(1);
  instead_ = [&](int number) -> RawResponse {
    if (number > 1) return {.body = R"({"token":"t"})"};
    asked.count_down();
    return {.body = "never ends", .stall_after = 3};
  };
  Authorizer& shared = authorizer();
  challenge(bearer());
  std::stop_source stop;
  std::optional<Error> stopped;
  std::jthread first(
      [&] { stopped = error_of([&] { shared.header(kPush, seconds(0), stop.get_token()); }); });
  asked.wait();
  std::string got;
  std::jthread second([&] { got = shared.header(kPush, seconds(0)).reveal(); });
  stop.request_stop();
  first.join();
  second.join();
  EXPECT_EQ(stopped->code(), Code::cancelled);
  EXPECT_EQ(got, "Bearer t");
}

TEST_F(OciTokens, ARefusedTokenIsReplacedOnce) {
  authorizer(password());
  challenge(bearer());
  EXPECT_EQ(header(), "Bearer t1");
  challenge(bearer(",error=\"invalid_token\""), kPush, "Bearer t1");
  EXPECT_EQ(header(), "Bearer t2");
  // A slower thread says the same of the first one.
  challenge(bearer(), kPush, "Bearer t1");
  EXPECT_EQ(header(), "Bearer t2");
  now_ += 59;
  const Error error = error_of([&] { challenge(bearer(), kPush, "Bearer t2"); });
  EXPECT_EQ(error.code(), Code::auth);
  EXPECT_EQ(error.http_status(), 401);
  EXPECT_TRUE(has(error, "~/the.json"));
  EXPECT_TRUE(has(error, "write oci://registry.example/org/name"));
  now_ += 1;  // it was good for a while
  challenge(bearer(), kPush, "Bearer t2");
  EXPECT_EQ(header(), "Bearer t3");
}

TEST_F(OciTokens, ARightThatTheTokenLacksIsNotAskedForAgain) {
  authorizer(password());
  challenge(bearer());
  EXPECT_EQ(header(), "Bearer t1");
  const std::string lacking =
      bearer(",scope=\"repository:org/name:push,pull\",error=\"insufficient_scope\"");
  const Error error = error_of([&] { challenge(lacking, kPush, "Bearer t1"); });
  EXPECT_EQ(error.code(), Code::auth);
  EXPECT_TRUE(has(error, "may push to org/name"));
  authorizer();
  challenge(bearer());
  header();
  EXPECT_TRUE(has(error_of([&] { challenge(lacking, kPush, "Bearer t2"); }), "none were found"));
}

TEST_F(OciTokens, FurtherScopesThatTheRegistryNamesAreAskedForToo) {
  authorizer(password());
  challenge(bearer());
  EXPECT_EQ(header(), "Bearer t1");
  const std::string more =
      bearer(",scope=\"repository:org/name:delete\",error=\"insufficient_scope\"");
  challenge(more, kPush, "Bearer t1");
  EXPECT_EQ(header(), "Bearer t2");
  EXPECT_EQ(values(seen(1).query, "scope"), "repository:org/name:delete,pull,push");
  EXPECT_THROW(challenge(more, kPush, "Bearer t2"), Error);
  // Not without end.
  int accepted = 0;
  const auto next = [&] {
    challenge(bearer(",scope=\"repository:x" + std::to_string(accepted) + ":pull\""));
  };
  while (accepted < 100) {
    try {
      next();
    } catch (const Error&) {
      break;
    }
    ++accepted;
  }
  EXPECT_LT(accepted, 20);
}

TEST_F(OciTokens, AnotherRealmMakesTheTokensWorthless) {
  authorizer();
  challenge(bearer());
  EXPECT_EQ(header(), "Bearer t1");
  challenge("Bearer realm=\"" + service_.url() + "/other\"", kPush, "Bearer t1");
  EXPECT_EQ(header(), "Bearer t2");
  EXPECT_EQ(seen(1).path, "/other");
}

TEST_F(OciTokens, BasicIsUserAndPassword) {
  authorizer(password());
  challenge("Basic realm=\"Registry\"");
  EXPECT_EQ(header(), "Basic bWU6aGlkZGVu");
  const Error error =
      error_of([&] { challenge("Basic realm=\"Registry\"", kPush, "Basic bWU6aGlkZGVu"); });
  EXPECT_EQ(error.code(), Code::auth);
  EXPECT_TRUE(has(error, "~/the.json"));
  EXPECT_FALSE(has(error, "bWU6aGlkZGVu"));
  authorizer();
  EXPECT_TRUE(has(error_of([&] { challenge("Basic realm=\"Registry\""); }), "none were found"));
  EXPECT_EQ(header(), "");
  EXPECT_EQ(count(), 0u);
}

TEST_F(OciTokens, OfSeveralWaysTokensComeFirst) {
  authorizer(password());
  challenge("Negotiate, Basic realm=\"x\", " + bearer());
  EXPECT_EQ(header(), "Bearer t1");
}

TEST_F(OciTokens, ChallengesThatLeadNowhere) {
  authorizer(password());
  const auto refused = [&](const std::string& value) {
    const Error error = error_of([&] { challenge(value); });
    EXPECT_EQ(error.side(), Side::destination) << value;
    EXPECT_EQ(error.verb(), "write") << value;
    return error.code();
  };
  EXPECT_EQ(refused(""), Code::auth);
  EXPECT_EQ(refused("Negotiate, NTLM"), Code::unsupported);
  EXPECT_EQ(refused("Bearer service=\"x\""), Code::unsupported);
  EXPECT_EQ(refused("Bearer realm=\"x"), Code::malformed);
  EXPECT_EQ(refused("Bearer realm=\"not a URL\""), Code::malformed);
  EXPECT_EQ(refused("Bearer realm=\"ftp://x/\""), Code::malformed);
  EXPECT_EQ(header(), "");
}

TEST_F(OciTokens, TheErrorForARequestThatStaysRefused) {
  authorizer(password());
  const Error error =
      authorizer_->refusal(request_with("Bearer t1"), http::Response{.status = 403}, kPush);
  EXPECT_EQ(error.code(), Code::auth);
  EXPECT_EQ(error.http_status(), 403);
  EXPECT_TRUE(has(error, "may push to org/name"));
}

TEST_F(OciTokens, ManyRepositoriesDoNotAddUp) {
  authorizer();
  challenge(bearer());
  for (int i = 0; i < 300; ++i)
    EXPECT_EQ(header(Scopes::repository("r" + std::to_string(i), "pull")),
              "Bearer t" + std::to_string(i + 1));
  EXPECT_EQ(header(Scopes::repository("r299", "pull")), "Bearer t300");
  EXPECT_EQ(header(Scopes::repository("r0", "pull")), "Bearer t301");  // was forgotten
}

TEST_F(OciTokens, FromAHelperToTheRegistry) {
  // The registry is its own token service, over plain HTTP at its own origin.
  std::string origin;
  RawServer registry([&](const RawRequest& request) -> RawResponse {
    if (request.path == "/token") {
      if (request.header("authorization") != "Basic " + to_base64(as_bytes("robot:hidden")))
        return {.status = 401};
      return {.body = R"({"token":"good"})"};
    }
    if (request.header("authorization") == "Bearer good") return {.body = "[]"};
    return {.status = 401,
            .headers = {{"WWW-Authenticate", "Bearer realm=\"" + origin +
                                                 "/token\",service=\"r\",scope=\"repository:org/"
                                                 "name:pull\""}}};
  });
  origin = registry.url();
  test::TempFolder folder;
  const std::string host = "127.0.0.1:" + std::to_string(registry.port());
  write_file_atomic(folder.path() / "docker-credential-test",
                    "#!/bin/sh\nread host\ntest \"$host\" = '" + host +
                        "' && echo '{\"Username\":\"robot\",\"Secret\":\"hidden\"}'\n",
                    0755);
  write_file_atomic(folder.path() / "auth.json", R"({"credHelpers":{")" + host + R"(":"test"}})");
  CredentialsOptions options;
  options.env = test::shared_environment(std::make_shared<const test::Variables>(
      test::Variables{{"HOME", "/nonexistent"},
                      {"PATH", folder.path().string()},
                      {"REGISTRY_AUTH_FILE", (folder.path() / "auth.json").string()}}));
  std::vector<std::string> lines;
  const LogLevel before = log_level();
  set_log_level(LogLevel::debug);
  set_log_sink([&](LogLevel, std::string_view line) { lines.emplace_back(line); });
  const Reference reference = parse_reference("oci://" + host + "/org/name");
  Authorizer& shared =
      authorizer(find_credentials(reference, options), "oci://" + host + "/org/name");
  http::Request request;
  request.url = http::resolve(reference.url(), "/v2/org/name/tags/list");
  EXPECT_TRUE(shared.header(kPull, seconds(0)).empty());
  const http::Response first = client_.send(request);
  ASSERT_EQ(first.status, 401);
  shared.challenged(request, first, kPull);
  request.headers.set("Authorization", shared.header(kPull, seconds(0)).reveal());
  EXPECT_EQ(client_.send(request).status, 200);
  set_log_sink(nullptr);
  set_log_level(before);
  EXPECT_FALSE(lines.empty());
  for (const std::string& line : lines) {
    EXPECT_EQ(line.find("hidden"), std::string::npos) << line;
    EXPECT_EQ(line.find("good"), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace dray::oci
