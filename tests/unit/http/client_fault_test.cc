#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "dray/http/client.h"
#include "tests/support/errors.h"
#include "tests/support/random.h"
#include "tests/support/raw_server.h"
#include "tests/support/raw_socket.h"

namespace dray::http {
namespace {

using std::chrono::milliseconds;
using test::error_of;
using test::RawRequest;
using test::RawResponse;
using test::RawServer;
using test::RawSocket;

constexpr milliseconds kShort{200};
constexpr milliseconds kForever{3'600'000};

Request to(const std::string& url, const std::string& method = "GET") {
  Request request;
  request.method = method;
  request.url = parse_url(url);
  return request;
}

bool says(const Error& error, const std::string& text) {
  return std::string(error.what()).find(text) != std::string::npos;
}

TEST(HttpClientFaults, NamesWhatWasAskedOfWhom) {
  RawServer server([](const RawRequest&) { return RawResponse{.drop = true}; });
  Request request = to(server.url() + "/x?X-Amz-Signature=topsecret");
  const Error plain = error_of([&] { Client().send(request); });
  EXPECT_TRUE(says(plain, "GET " + server.url() + "/x?X-Amz-Signature=...: ")) << plain.what();
  request.verb = "read";
  request.object = "hf://a/b";
  request.side = Side::source;
  const Error named = error_of([&] { Client().send(request); });
  EXPECT_TRUE(says(named, "read hf://a/b: ")) << named.what();
  EXPECT_EQ(named.side(), Side::source);
}

TEST(HttpClientFaults, ANameThatCannotBeResolvedIsANetworkErrorEachTime) {
  Client client;
  for (int i = 0; i < 3; ++i) {
    const Error error = error_of([&] { client.send(to("http://no-such-host.invalid/")); });
    EXPECT_EQ(error.code(), Code::network) << error.what();
  }
}

TEST(HttpClientFaults, AResetOrTruncatedAnswerIsTransient) {
  RawResponse answer;
  RawServer server([&](const RawRequest&) { return answer; });
  Client client;
  for (const bool reset : {false, true}) {
    answer = {.body = std::string(1000, 'x')};
    (reset ? answer.reset_after : answer.close_after) = 300;
    const Error error = error_of([&] { client.send(to(server.url())); });
    EXPECT_EQ(error.code(), Code::network);
    EXPECT_EQ(error.retry(), Retry::yes);
    EXPECT_TRUE(says(error, "after 300")) << error.what();
  }
}

TEST(HttpClientFaults, ARequestWithoutAnAnswerIsAmbiguousUnlessItOnlyReads) {
  RawServer server([](const RawRequest&) { return RawResponse{.drop = true}; });
  Client client;
  const Buffer body(100);
  for (const char* method : {"GET", "HEAD"})
    EXPECT_EQ(error_of([&] { client.send(to(server.url(), method)); }).retry(), Retry::yes)
        << method;
  for (const char* method : {"PUT", "POST", "PATCH", "DELETE"}) {
    Request request = to(server.url(), method);
    request.body = body;
    const Error error = error_of([&] { client.send(request); });
    EXPECT_EQ(error.code(), Code::network) << method;
    EXPECT_EQ(error.retry(), Retry::ambiguous) << method;
  }
  EXPECT_EQ(server.requests().size(), 6U) << "something was sent twice";
}

TEST(HttpClientFaults, AnAnswerThatBreaksOffIsAmbiguousForAWrite) {
  RawServer server(
      [](const RawRequest&) { return RawResponse{.body = "0123456789", .close_after = 5}; });
  const Error error = error_of([&] { Client().send(to(server.url(), "POST")); });
  EXPECT_EQ(error.retry(), Retry::ambiguous);
}

TEST(HttpClientFaults, NoConnectionMeansNothingWasSent) {
  std::string url;
  {
    const RawSocket closed;
    url = closed.url();
  }
  const Error error = error_of([&] { Client().send(to(url, "PUT")); });
  EXPECT_EQ(error.code(), Code::network);
  EXPECT_EQ(error.retry(), Retry::yes);
  EXPECT_TRUE(says(error, "could not connect to 127.0.0.1:")) << error.what();
  EXPECT_NE(error.hint(), "");
}

TEST(HttpClientFaults, AKeptConnectionThatTheServerClosedIsNotNoticed) {
  RawServer server([](const RawRequest&) { return RawResponse{.body = "abc", .close_after = 3}; });
  Client client;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.send(to(server.url())).body, "abc");
  EXPECT_EQ(server.connections(), 3U);
}

/// Answers the first request of the server's life, then loses the connection when the second
/// arrives: a kept connection that dies just as it is used again.
class HttpClientReuse : public testing::Test {
 protected:
  Response send_on_dying_connection(Request request) {
    client_.send(to(server_.url() + "/first"));
    request.url = parse_url(server_.url() + "/second");
    return client_.send(request);
  }
  std::size_t arrivals() const { return server_.requests().size() - 1; }

  std::atomic<int> count_ = 0;
  std::string last_body_;
  RawServer server_{[this](const RawRequest& request) {
    if (++count_ == 2) return RawResponse{.drop = true};
    last_body_ = request.body;
    return RawResponse{.body = "ok"};
  }};
  Client client_;
};

TEST_F(HttpClientReuse, ReadsAreSentAgain) {
  EXPECT_EQ(send_on_dying_connection(to("http://h", "GET")).body, "ok");
  EXPECT_EQ(arrivals(), 2U);
}

TEST_F(HttpClientReuse, PlainPutsAreSentAgainFromTheStart) {
  const Buffer body = test::pattern(3 * kMiB, 5);
  Request request = to("http://h", "PUT");
  request.body = body;
  EXPECT_EQ(send_on_dying_connection(request).body, "ok");
  EXPECT_EQ(last_body_, as_text(body));
  EXPECT_EQ(arrivals(), 2U);
}

TEST_F(HttpClientReuse, ConditionalPutsAreNotSentAgain) {
  Request request = to("http://h", "PUT");
  request.headers.add("If-None-Match", "*");
  const std::string body = "claim";
  request.body = as_bytes(body);
  const Error error = error_of([&] { send_on_dying_connection(request); });
  EXPECT_EQ(error.code(), Code::network);
  EXPECT_EQ(error.retry(), Retry::ambiguous);
  EXPECT_EQ(arrivals(), 1U) << "a second try would meet the first one's object and see a conflict";
}

TEST_F(HttpClientReuse, PostsAreNotSentAgain) {
  const Error error = error_of([&] { send_on_dying_connection(to("http://h", "POST")); });
  EXPECT_EQ(error.retry(), Retry::ambiguous);
  EXPECT_EQ(arrivals(), 1U);
}

TEST(HttpClientFaults, AStallEndsTheRequest) {
  RawResponse answer{.body = std::string(1000, 'x')};
  RawServer server([&](const RawRequest&) { return answer; });
  Client client({.stall_timeout = kShort});
  for (const std::uint64_t bytes : {0, 300}) {
    answer.stall_after = bytes;
    const Error error = error_of([&] { client.send(to(server.url())); });
    EXPECT_EQ(error.code(), Code::network);
    EXPECT_EQ(error.retry(), Retry::yes);
    EXPECT_TRUE(says(error, "stalled: no byte moved for 200 ms, after " + std::to_string(bytes)))
        << error.what();
  }
  EXPECT_EQ(error_of([&] { client.send(to(server.url(), "POST")); }).retry(), Retry::ambiguous);
}

TEST(HttpClientFaults, AServerThatAcceptsAndSaysNothingIsAStall) {
  const RawSocket socket;
  Client client({.stall_timeout = kShort});
  EXPECT_TRUE(says(error_of([&] { client.send(to(socket.url())); }), "stalled"));
}

TEST(HttpClientFaults, AnUploadThatNobodyReadsIsAStall) {
  const RawSocket socket;
  const Buffer body(32 * kMiB);
  Request request = to(socket.url(), "PUT");
  request.body = body;
  const Error error = error_of([&] { Client({.stall_timeout = kShort}).send(request); });
  EXPECT_TRUE(says(error, "stalled")) << error.what();
  EXPECT_EQ(error.retry(), Retry::ambiguous);
}

TEST(HttpClientFaults, SlowIsNotStalled) {
  const RawSocket socket;
  std::jthread serving([&] {
    const Fd peer = socket.accept();
    test::read_head(peer);
    test::send_text(peer, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
    for (const char* byte : {"s", "l", "o", "w"}) {
      std::this_thread::sleep_for(milliseconds(700));  // slowness itself, not waiting for something
      test::send_text(peer, byte);
    }
    test::drain(peer);
  });
  EXPECT_EQ(Client({.stall_timeout = milliseconds(2000)}).send(to(socket.url())).body, "slow");
}

TEST(HttpClientFaults, AnUploadThatOnlyTheKernelStillSendsIsNotStalled) {
  const RawSocket socket(1, 64 << 10);
  const std::size_t size = 2 << 20;
  std::jthread serving([&] {
    const Fd peer = socket.accept();
    test::read_head(peer);
    std::size_t got = 0;
    std::vector<char> block(64 << 10);
    while (got < size) {
      std::this_thread::sleep_for(milliseconds(75));
      const ssize_t n = ::recv(peer.get(), block.data(), block.size(), 0);
      if (n <= 0) return;
      got += static_cast<std::size_t>(n);
    }
    test::send_text(peer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    test::drain(peer);
  });
  const Buffer body(size);
  Request request = to(socket.url(), "PUT");
  request.body = body;
  EXPECT_EQ(Client({.stall_timeout = milliseconds(1000)}).send(request).status, 200);
}

TEST(HttpClientFaults, ARequestMayAllowALongerStall) {
  const RawSocket socket;
  Request request = to(socket.url());
  request.stall_timeout = milliseconds(300);
  const Error error = error_of([&] { Client({.stall_timeout = milliseconds(1)}).send(request); });
  EXPECT_TRUE(says(error, "for 300 ms")) << error.what();
}

TEST(HttpClientFaults, TheDeadlineCoversTheWholeExchange) {
  const RawSocket socket;
  Request request = to(socket.url(), "PUT");
  request.deadline = kShort;
  const Error error = error_of([&] { Client().send(request); });
  EXPECT_EQ(error.code(), Code::network);
  EXPECT_EQ(error.retry(), Retry::ambiguous);
  EXPECT_TRUE(says(error, "within 200 ms")) << error.what();
}

/// A socket whose queue of waiting connections is full: the kernel leaves further ones unanswered.
class HttpClientUnreachable : public testing::Test {
 protected:
  HttpClientUnreachable() {
    for (int i = 0; i < 4; ++i) waiting_.push_back(socket_.connect());
  }
  const RawSocket socket_{0};
  std::vector<Fd> waiting_;
};

TEST_F(HttpClientUnreachable, ConnectingHasATimeout) {
  Client client({.connect_timeout = kShort});
  const Error error = error_of([&] { client.send(to(socket_.url(), "PUT")); });
  EXPECT_EQ(error.code(), Code::network);
  EXPECT_EQ(error.retry(), Retry::yes) << "nothing was sent";
  EXPECT_TRUE(says(error, "no connection to 127.0.0.1:")) << error.what();
}

TEST_F(HttpClientUnreachable, AStopEndsConnecting) {
  Client client({.connect_timeout = kForever});
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  const Error error = error_of([&] { client.send(to(socket_.url()), stop.get_token()); });
  EXPECT_EQ(error.code(), Code::cancelled);
}

TEST(HttpClientStop, EndsAWaitForAStalledServerAtOnce) {
  RawServer server([](const RawRequest&) {
    return RawResponse{.body = std::string(1000, 'x'), .stall_after = 300};
  });
  Client client({.stall_timeout = kForever});
  std::stop_source stop;
  std::chrono::steady_clock::time_point stopped;
  std::jthread stopper([&] {
    while (server.requests().empty()) std::this_thread::yield();
    stopped = std::chrono::steady_clock::now();
    std::stop_source(stop).request_stop();
  });
  const Error error = error_of([&] { client.send(to(server.url()), stop.get_token()); });
  stopper.join();
  EXPECT_EQ(error.code(), Code::cancelled);
  // Without the wakeup the client would sleep for a minute.
  EXPECT_LT(std::chrono::steady_clock::now() - stopped, std::chrono::seconds(20));
  EXPECT_EQ(client.send(to(server.url() + "/ok", "HEAD")).status, 200) << "the client is usable";
}

TEST(HttpClientStop, BeforeTheRequestSendsNothing) {
  RawServer server([](const RawRequest&) { return RawResponse{}; });
  std::stop_source stop;
  stop.request_stop();
  const Error error = error_of([&] { Client().send(to(server.url()), stop.get_token()); });
  EXPECT_EQ(error.code(), Code::cancelled);
  EXPECT_EQ(server.connections(), 0U);
}

/// The error of a GET that is answered with exactly `answer`.
Error error_for(const std::string& answer) {
  const RawSocket socket;
  std::jthread serving([&] {
    const Fd peer = socket.accept();
    test::read_head(peer);
    test::send_text(peer, answer);
  });
  return error_of([&] { Client().send(to(socket.url())); });
}

TEST(HttpClientFaults, WhatIsNotHttpIsMalformed) {
  for (const char* answer :
       {"SSH-2.0-OpenSSH_9.2\r\n", "<html>no header</html>", "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"}) {
    const Error error = error_for(answer);
    EXPECT_EQ(error.code(), Code::malformed) << answer << ": " << error.what();
    EXPECT_FALSE(error.retryable()) << answer;
  }
  EXPECT_TRUE(error_for("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").retryable());
}

}  // namespace
}  // namespace dray::http
