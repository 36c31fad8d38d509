#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <string_view>
#include <thread>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/registry/kubeflow.h"

namespace dray {
namespace {

using namespace std::string_view_literals;
using testing::HasSubstr;

/// A service that sends its greeting to whoever connects, then closes.
class Greeter {
 public:
  explicit Greeter(std::string_view greeting) : greeting_(greeting) {
    listener_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_.get(), generic, size) != 0 || ::listen(listener_.get(), 8) != 0 ||
        ::getsockname(listener_.get(), generic, &size) != 0)
      throw_errno("listen", "loopback");
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  }
  ~Greeter() {
    thread_.request_stop();
    ::shutdown(listener_.get(), SHUT_RDWR);  // wakes accept
  }
  int port() const { return port_; }

 private:
  void serve(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const Fd peer(::accept(listener_.get(), nullptr, nullptr));
      if (!peer) return;
      if (!greeting_.empty())
        (void)::send(peer.get(), greeting_.data(), greeting_.size(), MSG_NOSIGNAL);
      // Until the peer is done, so that the greeting is not lost to a reset.
      char byte = 0;
      ::shutdown(peer.get(), SHUT_WR);
      while (::recv(peer.get(), &byte, 1, 0) > 0) {
      }
    }
  }

  std::string_view greeting_;
  Fd listener_;
  int port_ = 0;
  std::jthread thread_;
};

Error check_error(const std::string& scheme, int port) {
  KubeflowOptions options;
  options.service_account_folder = "/nonexistent";
  options.retry.tries = 2;
  options.retry.sleep = [](std::stop_token, std::chrono::milliseconds) { return true; };
  try {
    open_kubeflow_registry(http::parse_url(scheme + "://127.0.0.1:" + std::to_string(port)),
                           options)
        ->check({});
  } catch (const Error& e) {
    EXPECT_EQ(e.side(), Side::registry) << e.what();
    return e;
  }
  ADD_FAILURE() << "no error";
  return Error(Code::internal, "none");
}

TEST(KubeflowWrongPort, ADatabaseIsRecognisedByItsGreeting) {
  const Greeter mysql(
      "\x4a\x00\x00\x00\x0a"
      "8.0.36-28.1\x00\x08\x00\x00\x00"sv);
  for (const char* scheme : {"http", "https"}) {
    const Error error = check_error(scheme, mysql.port());
    EXPECT_EQ(error.code(), Code::usage) << error.what();
    EXPECT_THAT(error.message(), HasSubstr("MySQL server (8.0.36-28.1)"));
    EXPECT_THAT(error.hint(), HasSubstr("REST"));
    EXPECT_FALSE(error.retryable());
  }
}

TEST(KubeflowWrongPort, OtherServicesAreQuoted) {
  const Greeter ssh("SSH-2.0-OpenSSH_9.2\r\n");
  EXPECT_THAT(check_error("http", ssh.port()).message(), HasSubstr("SSH"));
}

TEST(KubeflowWrongPort, ASilentOneStaysANetworkError) {
  const Greeter silent("");
  const Error error = check_error("http", silent.port());
  EXPECT_EQ(error.code(), Code::network) << error.what();
  EXPECT_TRUE(error.retryable());
}

TEST(KubeflowWrongPort, NobodyThereIsANetworkError) {
  int port = 0;
  {
    const Greeter gone("");
    port = gone.port();
  }
  EXPECT_EQ(check_error("http", port).code(), Code::network);
}

}  // namespace
}  // namespace dray
