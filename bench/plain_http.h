// HTTP/1.1 on plain sockets, one thread a connection: the least a server can do, so that what is
// measured is the client. Trusts its peers; for benchmarks on loopback only.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "dray/base/bytes.h"
#include "dray/http/url.h"

namespace dray::bench {

/// Names of header fields are in lower case; path and query are decoded.
struct Request {
  std::string method, path;
  std::map<std::string, std::string> query, headers;
  std::uint64_t length = 0;  // of the body

  std::string header(const std::string& name) const {
    const auto it = headers.find(name);
    return it == headers.end() ? "" : it->second;
  }
  std::string arg(const std::string& name) const {
    const auto it = query.find(name);
    return it == query.end() ? "" : it->second;
  }
  bool has(const std::string& name) const { return query.contains(name); }
};

struct Answer {
  int status = 200;
  std::string headers;  // lines that end in "\r\n"
  std::string body;
  std::optional<std::uint64_t> length;  // stated instead of the body's size, in answers to HEAD
};

/// One accepted socket, closed at the end. A lost peer ends its thread by std::system_error.
class Connection {
 public:
  explicit Connection(int socket) : socket_(socket) {
    const int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~Connection() { close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// The next request, its body not yet read; nullopt when the peer has closed.
  std::optional<Request> next() {
    std::size_t end = 0;
    while ((end = ahead_.find("\r\n\r\n")) == std::string::npos)
      if (!receive_more()) return std::nullopt;
    Request request = parse(std::string_view(ahead_).substr(0, end + 2));
    ahead_.erase(0, end + 4);
    return request;
  }

  std::string body(const Request& request) {
    invite(request);
    while (ahead_.size() < request.length)
      if (!receive_more()) fail("receive");
    std::string out = ahead_.substr(0, request.length);
    ahead_.erase(0, request.length);
    return out;
  }

  /// Lets the kernel throw the body away without a copy: tcp(7), MSG_TRUNC.
  void drop_body(const Request& request) {
    invite(request);
    std::uint64_t left = request.length;
    const std::size_t held = std::min<std::uint64_t>(left, ahead_.size());
    ahead_.erase(0, held);
    for (left -= held; left > 0;) {
      const auto n = recv(socket_, nullptr, std::min<std::uint64_t>(left, 4 * kMiB), MSG_TRUNC);
      if (n <= 0) fail("receive");
      left -= static_cast<std::uint64_t>(n);
    }
  }

  void send(const Answer& answer) {
    const std::string text =
        head(answer.status, answer.headers, answer.length.value_or(answer.body.size())) +
        (answer.length ? "" : answer.body);
    send_all(text, 0);
  }

  /// An answer whose body is a range of a file, from the page cache to the socket.
  void send_file(int status, std::string_view headers, int file, ByteRange range) {
    send_all(head(status, headers, range.length), MSG_MORE);
    off_t at = static_cast<off_t>(range.offset);
    while (at < static_cast<off_t>(range.end())) {
      const auto left = range.end() - static_cast<std::uint64_t>(at);
      if (sendfile(socket_, file, &at, left) <= 0) fail("send");
    }
  }

 private:
  [[noreturn]] static void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
  }

  static std::string head(int status, std::string_view headers, std::uint64_t length) {
    return "HTTP/1.1 " + std::to_string(status) + " " + (status < 300 ? "OK" : "Error") + "\r\n" +
           std::string(headers) + "Content-Length: " + std::to_string(length) + "\r\n\r\n";
  }

  bool receive_more() {
    char buffer[64 * 1024];
    const auto n = recv(socket_, buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    ahead_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }

  void invite(const Request& request) {
    if (request.header("expect") == "100-continue") send_all("HTTP/1.1 100 Continue\r\n\r\n", 0);
  }

  void send_all(std::string_view text, int flags) {
    while (!text.empty()) {
      const auto n = ::send(socket_, text.data(), text.size(), flags | MSG_NOSIGNAL);
      if (n <= 0) fail("send");
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  static std::string_view cut(std::string_view& text, std::string_view mark) {
    const auto at = std::min(text.find(mark), text.size());
    const auto out = text.substr(0, at);
    text.remove_prefix(std::min(at + mark.size(), text.size()));
    return out;
  }

  static Request parse(std::string_view text) {
    Request out;
    auto line = cut(text, "\r\n");
    out.method = cut(line, " ");
    auto target = cut(line, " ");
    out.path = http::percent_decode(cut(target, "?")).value_or("");
    for (auto& [name, value] : http::parse_query(target)) out.query[name] = value;
    while (!text.empty()) {
      line = cut(text, "\r\n");
      std::string name(cut(line, ":"));
      std::transform(name.begin(), name.end(), name.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      out.headers[name] = line.substr(std::min(line.find_first_not_of(' '), line.size()));
    }
    if (out.headers.contains("transfer-encoding"))
      throw std::runtime_error("bodies of unstated length are not understood");
    out.length = parse_u64(out.header("content-length")).value_or(0);
    return out;
  }

  const int socket_;
  std::string ahead_;  // received, not yet consumed
};

/// A listening socket on a free port of loopback; `serve` never returns.
class Listener {
 public:
  Listener() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (bind(socket_, any, length) != 0 || listen(socket_, 256) != 0 ||
        getsockname(socket_, any, &length) != 0)
      throw std::system_error(errno, std::generic_category(), "listen");
    port_ = ntohs(address.sin_port);
  }
  int port() const { return port_; }

  /// Calls `handle(Connection&, const Request&)` for every request, each connection in a thread of
  /// its own, until the process ends.
  template <typename Handle>
  [[noreturn]] void serve(const Handle& handle) {
    while (true) {
      const int accepted = accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
      if (accepted < 0) continue;
      std::thread([accepted, &handle] {
        Connection connection(accepted);
        try {
          while (const auto request = connection.next()) handle(connection, *request);
        } catch (const std::exception& e) {
          // The peer went away, or spoke what a benchmark has no use for.
          std::fprintf(stderr, "connection: %s\n", e.what());
        }
      }).detach();
    }
  }

 private:
  const int socket_;
  int port_ = 0;
};

}  // namespace dray::bench
