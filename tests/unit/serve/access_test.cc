#include "dray/serve/access.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/log.h"
#include "dray/serve/access_log.h"
#include "tests/support/temp_folder.h"

namespace dray {
namespace {

std::string token_line(const std::string& token, const std::string& rest) {
  return "token " + Sha256::hex_of(as_bytes(token)) + " " + rest + "\n";
}

http::ServerRequest request_from(const std::string& client,
                                 std::vector<std::pair<std::string, std::string>> headers = {}) {
  http::ServerRequest request;
  request.method = "GET";
  request.client = client;
  for (auto& [name, value] : headers) request.headers.add(name, value);
  return request;
}

/// The code of the error that `identify` throws; Code::internal if it throws none.
Code refusal(const Access& access, const http::ServerRequest& request) {
  try {
    static_cast<void>(access.identify(request));
    return Code::internal;
  } catch (const Error& error) {
    return error.code();
  }
}

TEST(Access, TokensOpenWhatTheirLinesSay) {
  const test::TempFolder folder;
  const auto file = (folder.path() / "access").string();
  write_file_atomic(file, "# who may do what\n" + token_line("s3cret", "ci writer:llama-* reader") +
                              token_line("0ther", "ann promoter  # all of it"));
  const Access access({.file = file});
  const auto ci = access.identify(request_from("192.0.2.1", {{"Authorization", "Bearer s3cret"}}));
  EXPECT_EQ(ci.name, "ci");
  EXPECT_EQ(ci.proof, Proof::token);
  EXPECT_TRUE(ci.may(Role::reader));
  EXPECT_TRUE(ci.may_some(Role::writer));
  EXPECT_FALSE(ci.may(Role::writer));
  EXPECT_TRUE(ci.may(Role::writer, "llama-3"));
  EXPECT_FALSE(ci.may(Role::writer, "mistral"));
  EXPECT_FALSE(ci.may_some(Role::promoter));
  const auto ann =
      access.identify(request_from("192.0.2.1", {{"Authorization", "bearer  0ther "}}));
  EXPECT_TRUE(ann.may(Role::promoter));
  EXPECT_TRUE(ann.may(Role::writer, "mistral"));
}

TEST(Access, WrongAndMissingTokensAreRefused) {
  const test::TempFolder folder;
  const auto file = (folder.path() / "access").string();
  write_file_atomic(file, token_line("s3cret", "ci writer") + "user bob reader\n");
  const Access access({.file = file});
  for (const std::string header : {"Bearer S3cret", "Bearer s3cre", "Bearer s3crets", "Bearer ",
                                   "Bearer", "Basic czNjcmV0", "s3cret"})
    EXPECT_EQ(refusal(access, request_from("127.0.0.1", {{"Authorization", header}})), Code::auth)
        << header;
  // The hash is no token; nor is the empty text that users without one have in the file.
  EXPECT_EQ(refusal(access,
                    request_from("127.0.0.1", {{"Authorization",
                                                "Bearer " + Sha256::hex_of(as_bytes("s3cret"))}})),
            Code::auth);
  EXPECT_EQ(refusal(access, request_from("127.0.0.1")), Code::auth);
  // A wrong token is no anonymous request, where these are let in.
  const Access open({.file = file, .anonymous = Role::reader});
  EXPECT_EQ(refusal(open, request_from("127.0.0.1", {{"Authorization", "Bearer no"}})), Code::auth);
  EXPECT_FALSE(open.identify(request_from("127.0.0.1")).may_some(Role::writer));
}

TEST(Access, TheFileIsReadAgainAndABadOneChangesNothing) {
  const test::TempFolder folder;
  const auto path = folder.path() / "access";
  write_file_atomic(path, token_line("one", "ci reader"));
  AccessFile file(path);
  std::string logged;
  set_log_sink([&](LogLevel, std::string_view line) { logged += line; });
  const auto wait_for = [&](auto condition) {
    for (int i = 0; i < 600 && !condition(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return condition();
  };
  write_file_atomic(path, token_line("two", "ci reader") + "# longer\n");
  EXPECT_TRUE(wait_for([&] { return find_token(*file.current(), "two") != nullptr; }));
  EXPECT_EQ(find_token(*file.current(), "one"), nullptr);
  write_file_atomic(path, "token no-digest ci reader\n");
  EXPECT_TRUE(wait_for([&] {
    static_cast<void>(file.current());
    return logged.find("stays in force") != std::string::npos;
  }));
  EXPECT_NE(find_token(*file.current(), "two"), nullptr);
  set_log_sink(nullptr);
}

TEST(Access, LinesThatSaySomethingElseAreRefusedWithoutBeingShown) {
  for (const std::string bad :
       {"token hunter2 ci reader", "token", "user", "user ann", "user ann king", "ann reader",
        "user ann writer:", "user ann reader:llama-*", "user ann readers"}) {
    try {
      parse_access("user ok reader\n" + bad, "access.txt");
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::malformed);
      EXPECT_NE(std::string(error.what()).find("access.txt:2"), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find("hunter2"), std::string::npos) << error.what();
    }
  }
}

TEST(Access, TheUsersHeaderCountsFromTrustedProxiesOnly) {
  const test::TempFolder folder;
  const auto file = (folder.path() / "access").string();
  write_file_atomic(file,
                    "user ann writer:llama-*\nuser ann reader\n" + token_line("t", "ci reader"));
  AccessOptions options{.file = file, .user_header = "X-User"};
  options.trusted = {Network("10.0.0.0/8"), Network("::1")};
  const Access access(options);
  for (const std::string proxy : {"10.1.2.3", "::1"}) {
    const auto ann = access.identify(request_from(proxy, {{"X-User", "ann"}}));
    EXPECT_EQ(ann.name, "ann");
    EXPECT_EQ(ann.proof, Proof::proxy);
    EXPECT_TRUE(ann.may(Role::writer, "llama-3"));
  }
  EXPECT_EQ(refusal(access, request_from("11.0.0.1", {{"X-User", "ann"}})), Code::auth);
  EXPECT_EQ(refusal(access, request_from("::2", {{"X-User", "ann"}})), Code::auth);
  EXPECT_EQ(refusal(access, request_from("", {{"X-User", "ann"}})), Code::auth);
  // Two fields: one of them may be the client's own.
  EXPECT_EQ(refusal(access, request_from("10.1.2.3", {{"X-User", "root"}, {"X-User", "ann"}})),
            Code::auth);
  EXPECT_EQ(refusal(access, request_from("10.1.2.3", {{"X-User", ""}})), Code::auth);
  // Whom the file does not name may nothing.
  EXPECT_FALSE(
      access.identify(request_from("10.1.2.3", {{"X-User", "eve"}})).may_some(Role::reader));
  // A token's name is no user's.
  EXPECT_FALSE(
      access.identify(request_from("10.1.2.3", {{"X-User", "ci"}})).may_some(Role::reader));
}

TEST(Access, PagesOfOtherOriginsCannotUseAnOpenServerThroughABrowser) {
  const Access access({.anonymous = Role::promoter});
  const auto ask = [&](const std::string& host, const std::string& origin) {
    auto request = request_from("127.0.0.1", {{"Host", host}});
    if (!origin.empty()) request.headers.add("Origin", origin);
    return refusal(access, request);
  };
  EXPECT_EQ(ask("127.0.0.1:8080", ""), Code::internal);  // let in
  EXPECT_EQ(ask("localhost:8080", "http://localhost:8080"), Code::internal);
  EXPECT_EQ(ask("[::1]:8080", ""), Code::internal);
  EXPECT_EQ(ask("127.0.0.1:8080", "https://evil.example"), Code::policy);
  EXPECT_EQ(ask("127.0.0.1:8080", "null"), Code::policy);
  EXPECT_EQ(ask("evil.example:8080", ""), Code::policy);  // a name that was made to point here
  EXPECT_EQ(ask("evil.example:8080", "http://evil.example:8080"), Code::policy);
  const Access elsewhere({.anonymous = Role::reader, .loopback = false});
  auto request = request_from("192.0.2.7", {{"Host", "registry.example"}});
  EXPECT_EQ(refusal(elsewhere, request), Code::internal);
}

TEST(Network, HoldsTheAddressesOfItsPrefix) {
  EXPECT_TRUE(Network("192.0.2.0/25").contains("192.0.2.127"));
  EXPECT_FALSE(Network("192.0.2.0/25").contains("192.0.2.128"));
  EXPECT_TRUE(Network("0.0.0.0/0").contains("203.0.113.9"));
  EXPECT_FALSE(Network("0.0.0.0/0").contains("::1"));
  EXPECT_TRUE(Network("2001:db8::/33").contains("2001:db8:7fff::1"));
  EXPECT_FALSE(Network("2001:db8::/33").contains("2001:db8:8000::1"));
  EXPECT_TRUE(Network("192.0.2.1").contains("192.0.2.1"));
  EXPECT_FALSE(Network("192.0.2.1").contains("192.0.2.1x"));
  for (const std::string bad :
       {"", "/8", "10.0.0.0/33", "10.0.0/8", "host", "::/129", "10.0.0.0/-1"})
    EXPECT_THROW(Network{bad}, Error) << bad;
}

TEST(AccessLog, OneLineWithoutWhatClientsSmuggleIn) {
  http::ServerRequest request;
  request.method = "GET";
  request.path = "/a\x1b[31m\"b";
  request.query = "q=\n200";
  request.client = "192.0.2.1";
  request.headers.add("Authorization", "Bearer s3cret");
  const http::Answered answered{.status = 404,
                                .bytes = 12,
                                .whole = false,
                                .took = std::chrono::microseconds(1500),
                                .user = "an\nn"};
  const std::string line = access_line(request, answered, false);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
  EXPECT_NE(line.find(" 192.0.2.1 an\\x0an \"GET /a\\x1b[31m\\x22b?q=\\x0a200\" 404 12 1.50ms "
                      "broken off"),
            std::string::npos)
      << line;
  EXPECT_EQ(line.find("s3cret"), std::string::npos);
  const std::string json = access_line(request, answered, true);
  EXPECT_NE(json.find("\"status\":404"), std::string::npos);
  EXPECT_EQ(json.find("s3cret"), std::string::npos);
}

}  // namespace
}  // namespace dray
