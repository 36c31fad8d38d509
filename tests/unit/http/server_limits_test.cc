// What a server's clients may not do: keep it waiting, fill it, send too much.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/http/client.h"
#include "dray/http/server.h"
#include "tests/support/raw_socket.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tls_server.h"

namespace dray::http {
namespace {

using std::chrono::milliseconds;

ServerResponse text(std::string body) {
  ServerResponse response;
  response.body = std::move(body);
  return response;
}

ServerResponse echo(const ServerRequest& request) { return text(request.body); }

Fd connect_to(const Server& server) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(server.port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

/// Everything until the server ends the connection.
std::string read_all(const Fd& fd) {
  std::string all;
  char block[4096];
  for (ssize_t got = 0; (got = ::recv(fd.get(), block, sizeof block, 0)) > 0;)
    all.append(block, static_cast<std::size_t>(got));
  return all;
}

/// Sends a byte now and then until the server ends the connection; false if it takes them for a
/// minute.
bool is_cut_while_trickling(const Fd& fd) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (std::chrono::steady_clock::now() < end) {
    if (::send(fd.get(), "x", 1, MSG_NOSIGNAL) != 1) return true;
    timeval wait{.tv_sec = 0, .tv_usec = 20'000};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    char byte = 0;
    const ssize_t got = ::recv(fd.get(), &byte, 1, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK)) return true;
  }
  return false;
}

TEST(HttpServerLimits, AHeadThatTricklesIsCut) {
  const Server server({.head_deadline = milliseconds(300)}, echo);
  const Fd fd = connect_to(server);
  test::send_text(fd, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ");
  EXPECT_TRUE(is_cut_while_trickling(fd));
}

TEST(HttpServerLimits, ABodyThatTricklesIsCutAndTheHandlerNotCalled) {
  std::atomic<int> calls = 0;
  const Server server({.body_deadline = milliseconds(300)}, [&](const ServerRequest& request) {
    ++calls;
    return echo(request);
  });
  const Fd fd = connect_to(server);
  test::send_text(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n");
  EXPECT_TRUE(is_cut_while_trickling(fd));
  EXPECT_EQ(calls, 0);
}

TEST(HttpServerLimits, AKeptConnectionIsEndedWithoutFurtherRequests) {
  const Server server({.head_deadline = milliseconds(300)}, echo);
  const Fd fd = connect_to(server);
  test::send_text(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string all = read_all(fd);  // would not return if it were kept
  EXPECT_TRUE(all.starts_with("HTTP/1.1 200")) << all;
}

TEST(HttpServerLimits, AHandlerMayTakeLongerThanTheDeadlines) {
  const Server server({.head_deadline = milliseconds(100), .body_deadline = milliseconds(100)},
                      [](const ServerRequest& request) {
                        // Longer than a deadline and the step of the watch together.
                        std::this_thread::sleep_for(milliseconds(500));
                        return echo(request);
                      });
  Request request;
  request.method = "POST";
  request.url = parse_url(server.url());
  request.body = as_bytes("whole");
  EXPECT_EQ(Client().send(request).body, "whole");
}

TEST(HttpServerLimits, ABodyThatIsSaidToBeTooLargeIsNotWaitedFor) {
  const Server server({.max_body = 1000}, echo);
  for (const std::string expect : {"", "Expect: 100-continue\r\n"}) {
    const Fd fd = connect_to(server);
    test::send_text(
        fd, "POST / HTTP/1.1\r\nHost: x\r\n" + expect + "Content-Length: 1073741824\r\n\r\n");
    // Not a byte of the body is sent.
    const std::string all = read_all(fd);
    EXPECT_TRUE(all.starts_with("HTTP/1.1 413")) << all;
    EXPECT_EQ(all.find("100 Continue"), std::string::npos);
  }
}

TEST(HttpServerLimits, AClientThatSendsOnStillSeesTheRefusal) {
  const Server server({.max_body = 1000}, echo);
  const Fd fd = connect_to(server);
  test::send_text(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n");
  test::send_text(fd, std::string(4'000'000, 'x'));  // would break if the server closed at once
  EXPECT_TRUE(read_all(fd).starts_with("HTTP/1.1 413"));
}

TEST(HttpServerLimits, ChunksOverTheLimitAreRefusedAtTheirEnd) {
  const Server server({.max_body = 1000}, echo);
  const Fd fd = connect_to(server);
  test::send_text(fd,
                  "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 200; ++i) test::send_text(fd, "fa00\r\n" + std::string(64'000, 'x') + "\r\n");
  test::send_text(fd, "0\r\n\r\n");
  EXPECT_TRUE(read_all(fd).starts_with("HTTP/1.1 413"));
}

TEST(HttpServerLimits, RefusalsHaveTheFormThatIsWanted) {
  const Server server({.max_body = 10,
                       .refusal =
                           [](int status, const std::string& message) {
                             auto response = text("{\"why\": \"" + message + "\"}");
                             response.status = status;
                             return response;
                           }},
                      echo);
  Request request;
  request.method = "POST";
  request.url = parse_url(server.url());
  request.body = as_bytes("more than ten bytes");
  EXPECT_EQ(Client().send(request).body, "{\"why\": \"the request's body is too large\"}");
}

TEST(HttpServerLimits, SilentConnectionsMakeRoomForOthers) {
  const Server server({.max_connections = 4, .head_deadline = std::chrono::minutes(10)}, echo);
  std::vector<Fd> silent;
  for (int i = 0; i < 40; ++i) silent.push_back(connect_to(server));
  Request request;
  request.url = parse_url(server.url());
  request.deadline = std::chrono::minutes(1);
  EXPECT_EQ(Client().send(request).status, 200);
}

TEST(HttpServerLimits, TellsOfEveryRequestHowItEnded) {
  std::mutex mutex;
  std::vector<std::string> told;
  {
    ServerOptions options{.max_body = 10};
    options.on_answered = [&](const ServerRequest& request, const Answered& answered) {
      const std::lock_guard lock(mutex);
      told.push_back(request.method + " " + std::to_string(answered.status) + " " +
                     std::to_string(answered.bytes) + " " + std::string(answered.user) + " " +
                     request.client + (answered.whole ? "" : " broken"));
    };
    const Server server(options, [](const ServerRequest& request) {
      auto response = echo(request);
      response.user = "ann";
      return response;
    });
    Request request;
    request.method = "POST";
    request.url = parse_url(server.url());
    request.body = as_bytes("12345");
    Client().send(request);
    request.body = as_bytes("more than ten bytes");
    Client().send(request);
  }
  EXPECT_EQ(told, (std::vector<std::string>{"POST 200 5 ann 127.0.0.1", "POST 413 32  127.0.0.1"}));
}

TEST(HttpServerTls, SpeaksTlsToThoseWhoTrustItsCertificate) {
  const auto certificate = test::self_signed("127.0.0.1");
  ServerOptions options;
  options.certificate = certificate.certificate_pem;
  options.key = Secret(certificate.key_pem);
  const Server server(options, echo);
  EXPECT_TRUE(server.url().starts_with("https://"));
  const test::TempFolder folder;
  const auto ca = folder.path() / "ca.pem";
  write_file_atomic(ca, certificate.certificate_pem);
  Request request;
  request.method = "POST";
  request.url = parse_url(server.url());
  request.body = as_bytes("secret");
  EXPECT_EQ(Client({.ca_file = ca.string()}).send(request).body, "secret");
  EXPECT_THROW(Client().send(request), Error);
  // Plain HTTP is not answered.
  request.url = parse_url("http://127.0.0.1:" + std::to_string(server.port()));
  EXPECT_THROW(Client().send(request), Error);
}

TEST(HttpServerTls, ACertificateOfAnotherKeyIsAUsageError) {
  ServerOptions options;
  options.certificate = test::self_signed("127.0.0.1").certificate_pem;
  options.key = Secret(test::self_signed("127.0.0.1").key_pem);
  try {
    const Server server(options, echo);
    ADD_FAILURE() << "a server without a usable certificate";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::usage);
    EXPECT_NE(error.hint(), "");
  }
}

TEST(HttpServerTls, AClientThatNeverShakesHandsIsCut) {
  const auto certificate = test::self_signed("127.0.0.1");
  ServerOptions options{.head_deadline = milliseconds(300)};
  options.certificate = certificate.certificate_pem;
  options.key = Secret(certificate.key_pem);
  const Server server(options, echo);
  EXPECT_EQ(read_all(connect_to(server)), "");
}

}  // namespace
}  // namespace dray::http
