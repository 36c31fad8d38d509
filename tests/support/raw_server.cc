#include "tests/support/raw_server.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <exception>
#include <list>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <thread>

namespace dray::test {

namespace {

constexpr std::size_t kMaxHead = 256 << 10;
constexpr std::size_t kMaxBody = std::size_t{2} << 30;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool has_header(const RawResponse& response, std::string_view name) {
  return std::any_of(response.headers.begin(), response.headers.end(),
                     [&](const auto& field) { return lower(field.first) == name; });
}

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

/// Fills method to headers from the text before the empty line; false if it is no request.
bool parse_head(std::string_view head, RawRequest& out) {
  const std::size_t line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return false;
  out.method = line.substr(0, first);
  out.target = line.substr(first + 1, last - first - 1);
  const std::size_t question = out.target.find('?');
  out.path = out.target.substr(0, question);
  if (question != std::string::npos) out.query = out.target.substr(question + 1);
  head.remove_prefix(line_end == std::string_view::npos ? head.size() : line_end + 2);
  while (!head.empty()) {
    const std::size_t end = head.find("\r\n");
    const std::string_view field = head.substr(0, end);
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos) return false;
    out.headers.emplace_back(lower(field.substr(0, colon)),
                             std::string(trim(field.substr(colon + 1))));
    head.remove_prefix(end == std::string_view::npos ? head.size() : end + 2);
  }
  return true;
}

/// Status line and header fields of an answer, up to and with the empty line.
std::string response_head(const RawResponse& response, bool bodyless, bool close) {
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " Scripted\r\n";
  for (const auto& [name, value] : response.headers) head += name + ": " + value + "\r\n";
  if (response.send_length && !bodyless && !has_header(response, "content-length") &&
      !has_header(response, "transfer-encoding"))
    head += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  if (close && !has_header(response, "connection")) head += "Connection: close\r\n";
  return head + "\r\n";
}

}  // namespace

std::string RawRequest::header(std::string_view name) const {
  for (const auto& [field, value] : headers)
    if (field == name) return value;
  return "";
}

struct RawServer::Impl {
  Handler handler;
  int listener = -1;
  int stopped = -1;  // eventfd, readable once the server goes away
  int port = 0;
  std::thread acceptor;

  mutable std::mutex mutex;
  std::list<std::thread> threads;
  std::set<int> open;
  std::vector<RawRequest> seen;
  std::size_t accepted = 0;
  bool stopping = false;

  void accept_loop();
  void serve(int fd);
  bool read_request(int fd, std::string& pending, RawRequest& out);
  /// False when the connection ends here.
  bool answer(int fd, const RawRequest& request, RawResponse response);
  void wait_for_end(int fd) const;
  void wait_until_delivered(int fd) const;
};

RawServer::RawServer(Handler handler) : impl_(std::make_unique<Impl>()) {
  impl_->handler = std::move(handler);
  impl_->listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  impl_->stopped = ::eventfd(0, EFD_CLOEXEC);
  if (impl_->listener < 0 || impl_->stopped < 0) fail("socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(impl_->listener, generic, length) != 0) fail("bind");
  if (::listen(impl_->listener, 128) != 0) fail("listen");
  if (::getsockname(impl_->listener, generic, &length) != 0) fail("getsockname");
  impl_->port = ntohs(address.sin_port);
  impl_->acceptor = std::thread([impl = impl_.get()] { impl->accept_loop(); });
}

RawServer::~RawServer() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    for (const int fd : impl_->open) ::shutdown(fd, SHUT_RDWR);
  }
  const std::uint64_t one = 1;
  if (::write(impl_->stopped, &one, sizeof one) != sizeof one) std::terminate();
  impl_->acceptor.join();
  for (std::thread& thread : impl_->threads) thread.join();
  ::close(impl_->listener);
  ::close(impl_->stopped);
}

int RawServer::port() const { return impl_->port; }

std::string RawServer::url() const { return "http://127.0.0.1:" + std::to_string(impl_->port); }

std::vector<RawRequest> RawServer::requests() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->seen;
}

std::size_t RawServer::connections() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->accepted;
}

void RawServer::Impl::accept_loop() {
  for (;;) {
    pollfd fds[] = {{listener, POLLIN, 0}, {stopped, POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) fail("poll");
    if (fds[1].revents != 0) return;
    if (fds[0].revents == 0) continue;
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const std::lock_guard lock(mutex);
    if (stopping) {
      ::close(fd);
      return;
    }
    ++accepted;
    open.insert(fd);
    threads.emplace_back([this, fd] { serve(fd); });
  }
}

void RawServer::Impl::serve(int fd) {
  std::string pending;  // read from the socket and not used yet
  for (;;) {
    RawRequest request;
    if (!read_request(fd, pending, request)) break;
    {
      RawRequest record = request;
      record.body.clear();
      const std::lock_guard lock(mutex);
      seen.push_back(std::move(record));
    }
    RawResponse response;
    try {
      response = handler(request);
    } catch (const std::exception& e) {
      response = {.status = 500, .body = e.what(), .close = true};
    }
    if (!answer(fd, request, std::move(response))) break;
  }
  const std::lock_guard lock(mutex);  // the destructor may be about to shut this one down
  open.erase(fd);
  ::close(fd);
}

bool RawServer::Impl::read_request(int fd, std::string& pending, RawRequest& out) {
  std::vector<char> block(256 << 10);
  const auto more = [&] {
    for (;;) {
      const ssize_t n = ::recv(fd, block.data(), block.size(), 0);
      if (n < 0 && errno == EINTR) continue;
      if (n > 0) pending.append(block.data(), static_cast<std::size_t>(n));
      return n > 0;
    }
  };
  std::size_t end = 0;
  while ((end = pending.find("\r\n\r\n")) == std::string::npos)
    if (pending.size() > kMaxHead || !more()) return false;
  if (!parse_head(std::string_view(pending).substr(0, end), out)) return false;
  pending.erase(0, end + 4);

  std::size_t length = 0;
  const std::string text = out.header("content-length");
  const auto [last, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (!text.empty() && (error != std::errc{} || last != text.data() + text.size())) return false;
  if (length > kMaxBody || !out.header("transfer-encoding").empty()) {
    send_all(fd, "HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return false;
  }
  if (lower(out.header("expect")) == "100-continue" && length > 0 &&
      !send_all(fd, "HTTP/1.1 100 Continue\r\n\r\n"))
    return false;
  pending.reserve(length);
  while (pending.size() < length)
    if (!more()) return false;
  if (pending.size() == length) {
    out.body.swap(pending);
    pending.clear();
  } else {
    out.body = pending.substr(0, length);
    pending.erase(0, length);
  }
  return true;
}

bool RawServer::Impl::answer(int fd, const RawRequest& request, RawResponse response) {
  const auto reset = [&] {
    const linger now{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    return false;  // the close that follows sends RST
  };
  if (response.drop) return reset();

  const bool bodyless =
      response.status == 204 || response.status == 304 || response.status / 100 == 1;
  const bool delimited = response.send_length || has_header(response, "content-length") ||
                         has_header(response, "transfer-encoding");
  const bool close = response.close || !delimited || lower(request.header("connection")) == "close";
  if (response.flip_at && *response.flip_at < response.body.size())
    response.body[*response.flip_at] = static_cast<char>(~response.body[*response.flip_at]);
  if (!send_all(fd, response_head(response, bodyless, close))) return false;
  if (bodyless || request.method == "HEAD") return !close;

  const auto upto = [&](std::uint64_t bytes) {
    return send_all(fd, std::string_view(response.body).substr(0, bytes));
  };
  if (response.reset_after) {
    if (!upto(*response.reset_after)) return false;
    wait_until_delivered(fd);  // RST throws away what the kernel still has to send
    return reset();
  }
  if (response.close_after) {
    upto(*response.close_after);
    return false;
  }
  if (response.stall_after) {
    if (upto(*response.stall_after)) wait_for_end(fd);
    return false;
  }
  response.body += response.extra;  // sent at once, so that the peer finds both when it reads
  if (!send_all(fd, response.body)) return false;
  return !close;
}

void RawServer::Impl::wait_for_end(int fd) const {
  pollfd fds[] = {{fd, POLLRDHUP, 0}, {stopped, POLLIN, 0}};
  while (::poll(fds, 2, -1) < 0 && errno == EINTR) {
  }
}

void RawServer::Impl::wait_until_delivered(int fd) const {
  for (;;) {
    int unsent = 0;
    if (::ioctl(fd, SIOCOUTQ, &unsent) != 0 || unsent == 0) return;
    pollfd fds[] = {{fd, POLLRDHUP, 0}, {stopped, POLLIN, 0}};
    if (::poll(fds, 2, 1) > 0) return;
  }
}

}  // namespace dray::test
