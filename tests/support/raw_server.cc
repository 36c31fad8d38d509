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
#include <array>
#include <atomic>
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

#include "tests/support/raw_input.h"

namespace dray::test {

namespace {

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

bool is_chunked(const RawRequest& request) {
  return lower(request.header("transfer-encoding")) == "chunked";
}

/// Content-Length, 0 where there is none; nullopt if it is no number.
std::optional<std::uint64_t> body_length(const RawRequest& request) {
  const std::string text = request.header("content-length");
  std::uint64_t length = 0;
  const auto [last, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (!text.empty() && (error != std::errc{} || last != text.data() + text.size()))
    return std::nullopt;
  return length;
}

/// The close that follows sends RST. False, as the end of a connection.
bool reset_at_close(int fd) {
  const linger now{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  return false;
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
  RawIntake intake;
  std::atomic<std::uint64_t> next_id = 1;
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
  /// False when the connection ends here; so do the others.
  bool serve_one(int fd, RawInput& input);
  bool read_body(int fd, RawInput& input, const RawBody& plan, RawRequest& request);
  bool refuse(int fd, const RawRequest& request, RawResponse response, bool has_body);
  bool answer(int fd, const RawRequest& request, RawResponse response);
  RawBody plan_of(const RawRequest& head) const;
  void record(RawRequest& request);  // without its body
  void drain(int fd) const;
  void wait_for_end(int fd) const;
  void wait_until_delivered(int fd) const;
};

RawServer::RawServer(Handler handler, RawIntake intake) : impl_(std::make_unique<Impl>()) {
  impl_->handler = std::move(handler);
  impl_->intake = std::move(intake);
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
  RawInput input(fd);
  while (serve_one(fd, input)) {
  }
  const std::lock_guard lock(mutex);  // the destructor may be about to shut this one down
  open.erase(fd);
  ::close(fd);
}

bool RawServer::Impl::serve_one(int fd, RawInput& input) {
  RawRequest request;
  const auto head = input.head();
  if (!head || !parse_head(*head, request)) return false;
  request.id = next_id++;
  const auto length = body_length(request);
  if (!length) return false;
  const bool chunked = is_chunked(request);
  if (!request.header("transfer-encoding").empty() && (!chunked || !intake.begin))
    return refuse(fd, request, {.status = 411}, true);
  const RawBody plan = plan_of(request);
  const bool has_body = chunked || *length > 0;
  if (plan.refusal) {
    record(request);
    return refuse(fd, request, *plan.refusal, has_body);
  }
  const bool breaks = plan.cut_after || plan.stall_after;
  if ((has_body || breaks) && !read_body(fd, input, plan, request)) return false;
  record(request);
  RawResponse response;
  try {
    response = handler(request);
  } catch (const std::exception& e) {
    response = {.status = 500, .body = e.what(), .close = true};
  }
  return answer(fd, request, std::move(response));
}

RawBody RawServer::Impl::plan_of(const RawRequest& head) const {
  if (!intake.begin) return {};
  try {
    return intake.begin(head);
  } catch (const std::exception& e) {
    return {.refusal = RawResponse{.status = 500, .body = e.what(), .close = true}};
  }
}

void RawServer::Impl::record(RawRequest& request) {
  std::string body = std::exchange(request.body, {});
  {
    const std::lock_guard lock(mutex);
    seen.push_back(request);
  }
  request.body = std::move(body);
}

bool RawServer::Impl::read_body(int fd, RawInput& input, const RawBody& plan, RawRequest& request) {
  if (lower(request.header("expect")) == "100-continue" &&
      !send_all(fd, "HTTP/1.1 100 Continue\r\n\r\n"))
    return false;
  const std::uint64_t limit = std::min(plan.cut_after.value_or(RawInput::kNoLimit),
                                       plan.stall_after.value_or(RawInput::kNoLimit));
  const RawInput::End end = is_chunked(request)
                                ? input.chunked_body(request.body, limit)
                                : input.sized_body(request.body, *body_length(request), limit);
  if (end == RawInput::End::whole && limit == RawInput::kNoLimit) return true;
  if (end == RawInput::End::malformed || !intake.broken) return false;
  record(request);
  intake.broken(request);
  if (plan.cut_after) reset_at_close(fd);
  if (plan.stall_after) wait_for_end(fd);
  return false;
}

bool RawServer::Impl::refuse(int fd, const RawRequest& request, RawResponse response,
                             bool has_body) {
  if (!has_body) return answer(fd, request, std::move(response));
  response.close = true;
  if (response.drop || response.silent) return answer(fd, request, std::move(response));
  answer(fd, request, std::move(response));
  ::shutdown(fd, SHUT_WR);
  drain(fd);  // closing with unread bytes would be an RST, which can overtake the answer
  return false;
}

bool RawServer::Impl::answer(int fd, const RawRequest& request, RawResponse response) {
  if (response.drop) return reset_at_close(fd);
  if (response.silent) {
    wait_for_end(fd);
    return false;
  }

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
    return reset_at_close(fd);
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

void RawServer::Impl::drain(int fd) const {
  std::array<char, 64 << 10> block;
  for (;;) {
    pollfd fds[] = {{fd, POLLIN, 0}, {stopped, POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) return;
    if (fds[0].revents != 0 && ::recv(fd, block.data(), block.size(), MSG_DONTWAIT) <= 0) return;
  }
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
