#include "dray/http/client.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/errors.h"
#include "tests/support/random.h"
#include "tests/support/raw_server.h"
#include "tests/support/raw_socket.h"

namespace dray::http {
namespace {

using test::error_of;
using test::RawRequest;
using test::RawResponse;
using test::RawServer;

Request get(const RawServer& server, const std::string& path = "/") {
  Request request;
  request.url = parse_url(server.url() + path);
  return request;
}

TEST(HttpClient, SendsTheRequestAsGiven) {
  RawServer server([](const RawRequest&) { return RawResponse{.body = "hello"}; });
  Client client;
  Request request = get(server, "/a%2Fb/../c//d?x=1&sig=a%2Bb");
  request.headers.add("X-One", "1");
  request.headers.add("X-Empty", "");
  const Response response = client.send(request);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "hello");
  EXPECT_EQ(response.received, 5U);
  const RawRequest seen = server.requests().at(0);
  EXPECT_EQ(seen.method, "GET");
  EXPECT_EQ(seen.target, "/a%2Fb/../c//d?x=1&sig=a%2Bb");
  EXPECT_EQ(seen.header("x-one"), "1");
  EXPECT_EQ(seen.header("accept-encoding"), "identity");
  EXPECT_TRUE(seen.header("user-agent").starts_with("dray/"));
  EXPECT_EQ(seen.header("expect"), "");
  int empty = 0;
  for (const auto& [name, value] : seen.headers) empty += name == "x-empty" && value.empty();
  EXPECT_EQ(empty, 1);
}

TEST(HttpClient, SendsBodiesOfEveryMethodWithTheirLength) {
  std::string got;
  RawServer server([&](const RawRequest& request) {
    got = request.body;
    return RawResponse{};
  });
  Client client;
  const Buffer body = test::pattern(3 * kMiB + 17, 1);
  for (const char* method : {"PUT", "POST", "PATCH", "DELETE"}) {
    Request request = get(server);
    request.method = method;
    request.body = body;
    EXPECT_EQ(client.send(request).status, 200);
    EXPECT_EQ(got, as_text(body)) << method;
    const RawRequest seen = server.requests().back();
    EXPECT_EQ(seen.method, method);
    EXPECT_EQ(seen.header("content-length"), std::to_string(body.size()));
    EXPECT_EQ(seen.header("expect"), "");
    EXPECT_EQ(seen.header("content-type"), "");
    EXPECT_EQ(seen.header("transfer-encoding"), "");
  }
  Request empty = get(server);
  empty.method = "POST";
  EXPECT_EQ(client.send(empty).status, 200);
  EXPECT_EQ(server.requests().back().header("content-length"), "0");
  empty.method = "DELETE";
  EXPECT_EQ(client.send(empty).status, 200);
  EXPECT_EQ(server.requests().back().method, "DELETE");
  EXPECT_EQ(server.connections(), 1U);
}

TEST(HttpClient, HeadHasLengthAndNoBody) {
  RawServer server(
      [](const RawRequest&) { return RawResponse{.headers = {{"Content-Length", "5000000000"}}}; });
  Client client;
  Request request = get(server);
  request.method = "HEAD";
  const Response response = client.send(request);
  EXPECT_EQ(response.headers.get("content-length"), "5000000000");
  EXPECT_EQ(response.body, "");
}

TEST(HttpClient, ConnectionsAreKeptAndShared) {
  RawServer server([](const RawRequest&) { return RawResponse{.body = "x"}; });
  Client client;
  for (int i = 0; i < 5; ++i) client.send(get(server, "/?" + std::to_string(i)));
  EXPECT_EQ(server.connections(), 1U);
  Request fresh = get(server);
  fresh.fresh_connection = true;
  client.send(fresh);
  EXPECT_EQ(server.connections(), 2U);
  client.send(get(server));
  EXPECT_EQ(server.connections(), 2U);
}

TEST(HttpClient, EveryServerKeepsItsOwnConnection) {
  const auto answer = [](const RawRequest&) { return RawResponse{.body = "x"}; };
  RawServer one(answer);
  RawServer two(answer);
  Client client;
  for (int i = 0; i < 3; ++i) {
    client.send(get(one));
    client.send(get(two));
  }
  EXPECT_EQ(one.connections(), 1U);
  EXPECT_EQ(two.connections(), 1U);
}

TEST(HttpClient, ManyThreadsUseIt) {
  RawServer server([](const RawRequest& request) { return RawResponse{.body = request.query}; });
  Client client;
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 25; ++i) {
          const std::string query = std::to_string(t * 100 + i);
          if (client.send(get(server, "/?" + query)).body != query) ++wrong;
        }
      });
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(server.connections(), 8U);
}

TEST(HttpClient, MoreIdleConnectionsThanThePoolHoldsAreClosed) {
  const auto answer = [](const RawRequest&) { return RawResponse{.body = "x"}; };
  std::vector<std::unique_ptr<RawServer>> servers;
  Client client;
  for (int i = 0; i < 70; ++i) {
    servers.push_back(std::make_unique<RawServer>(answer));
    EXPECT_EQ(client.send(get(*servers.back())).body, "x");
  }
  client.send(get(*servers.back()));
  EXPECT_EQ(servers.back()->connections(), 1U);
  client.send(get(*servers.front()));  // the oldest had to go
  EXPECT_EQ(servers.front()->connections(), 2U);
}

TEST(HttpClient, RedirectsAreReturnedNotFollowed) {
  RawServer server([](const RawRequest&) {
    return RawResponse{.status = 302, .headers = {{"Location", "/next"}}, .body = "moved"};
  });
  const Response response = Client().send(get(server));
  EXPECT_EQ(response.status, 302);
  EXPECT_EQ(response.headers.get("location"), "/next");
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(HttpClient, EveryHeaderFieldOfTheFinalAnswerIsThere) {
  const test::RawSocket socket;
  std::jthread serving([&] {
    const Fd peer = socket.accept();
    test::read_head(peer);
    test::send_text(peer,
                    "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n"
                    "HTTP/1.1 200\r\nX-A:  one \t\r\nx-a: two\r\nX-Empty:\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n"
                    "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n");
    test::drain(peer);
  });
  Request request;
  request.url = parse_url(socket.url());
  const Response response = Client().send(request);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "abcde");
  EXPECT_EQ(response.headers.all("X-A"), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(response.headers.get("X-Empty"), "");
  EXPECT_FALSE(response.headers.has("X-Early"));
  EXPECT_FALSE(response.headers.has("X-Trailer"));
}

TEST(HttpClient, AnAnswerBeforeTheWholeUploadIsTheAnswer) {
  const test::RawSocket socket;
  std::jthread serving([&] {
    const Fd peer = socket.accept();
    test::read_head(peer);
    test::send_text(peer, "HTTP/1.1 403 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    test::drain(peer);
  });
  const Buffer body(32 * kMiB);
  Request request;
  request.method = "PUT";
  request.url = parse_url(socket.url());
  request.body = body;
  const Response response = Client().send(request);
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(response.body, "no");
}

TEST(HttpClient, RefusesHeadersThatForgeLines) {
  RawServer server([](const RawRequest&) { return RawResponse{}; });
  Client client;
  for (const char* value : {"a\r\nX-Evil: 1", "a\nb", "a\rb", "\x01", "\x7F"}) {
    Request request = get(server);
    request.headers.add("Authorization", value);
    const Error error = error_of([&] { client.send(request); });
    EXPECT_EQ(error.code(), Code::usage);
    EXPECT_EQ(std::string(error.what()).find("Evil"), std::string::npos) << "the value is shown";
  }
  for (const char* name : {"", "a b", "a:b", "a\r\nb"}) {
    Request request = get(server);
    request.headers.add(name, "x");
    EXPECT_THROW(client.send(request), Error) << name;
  }
  EXPECT_EQ(server.connections(), 0U);
}

TEST(HttpClient, BodiesHaveALimit) {
  std::string body(1000, 'x');
  bool chunked = false;
  RawServer server([&](const RawRequest&) {
    RawResponse response{.body = body};
    response.send_length = !chunked;
    return response;
  });
  Client client;
  EXPECT_EQ(client.send(get(server), {}, BodyLimit{1000}).body.size(), 1000U);
  EXPECT_EQ(error_of([&] { client.send(get(server), {}, BodyLimit{999}); }).code(),
            Code::malformed);
  chunked = true;  // of unknown length, ended by the connection's end
  EXPECT_EQ(client.send(get(server), {}, BodyLimit{1000}).body.size(), 1000U);
  EXPECT_EQ(error_of([&] { client.send(get(server), {}, BodyLimit{999}); }).code(),
            Code::malformed);
}

TEST(HttpClient, LongErrorPagesAreCutOff) {
  RawServer server([](const RawRequest&) {
    return RawResponse{.status = 500, .body = std::string(3 << 20, 'e')};
  });
  const Response response = Client().send(get(server), {}, BodyLimit{10});
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body.size(), std::size_t{1} << 20);
}

TEST(HttpClient, HeadersHaveALimit) {
  RawResponse answer;
  RawServer server([&](const RawRequest&) { return answer; });
  Client client;
  answer.headers.assign(199, {"X", "y"});  // and Content-Length
  EXPECT_EQ(client.send(get(server)).headers.fields().size(), 200U);
  answer.headers.assign(200, {"X", "y"});
  EXPECT_EQ(error_of([&] { client.send(get(server)); }).code(), Code::malformed);
  answer.headers.assign(70, {"X", std::string(1000, 'y')});
  EXPECT_EQ(error_of([&] { client.send(get(server)); }).code(), Code::malformed);
}

TEST(HttpClient, BodiesThatAreCompressedUnaskedAreRefused) {
  RawServer server([](const RawRequest&) {
    return RawResponse{.headers = {{"Content-Encoding", "gzip"}}, .body = "\x1f\x8b"};
  });
  Client client;
  EXPECT_EQ(error_of([&] { client.send(get(server)); }).code(), Code::malformed);
  Request request = get(server);
  request.headers.add("Accept-Encoding", "gzip");
  EXPECT_EQ(client.send(request).body, "\x1f\x8b");
  EXPECT_EQ(server.requests().back().header("accept-encoding"), "gzip");
}

}  // namespace
}  // namespace dray::http
