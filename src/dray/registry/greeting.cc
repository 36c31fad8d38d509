#include "dray/registry/greeting.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

#include "dray/base/file.h"
#include "dray/http/excerpt.h"

namespace dray {

namespace {

constexpr int kWaitMs = 700;

bool wait_for_socket(int fd, short events) {
  pollfd entry{.fd = fd, .events = events, .revents = 0};
  return ::poll(&entry, 1, kWaitMs) == 1;
}

Fd connect_to(const addrinfo& address) {
  Fd fd(::socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                 address.ai_protocol));
  if (!fd) return fd;
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0) return fd;
  if (errno != EINPROGRESS || !wait_for_socket(fd.get(), POLLOUT)) return Fd();
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) return Fd();
  return fd;
}

}  // namespace

std::optional<std::string> recognise_greeting(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  // MySQL's packets: three bytes of length, a sequence number that starts at 0, then protocol
  // version 10 and the server's version, or 0xFF for an error.
  if (bytes.size() > 5 && bytes[3] == '\0' && (bytes[4] == '\x0A' || bytes[4] == '\xFF')) {
    if (bytes[4] == '\xFF') return "a MySQL server";
    const std::string_view version = bytes.substr(5, bytes.find('\0', 5) - 5);
    return fmt::format("a MySQL server ({})", http::clean_text(version, 40));
  }
  if (bytes.starts_with("SSH-")) return "an SSH server";
  return fmt::format("a service that is no web server (it says \"{}\")",
                     http::clean_text(bytes, 40));
}

std::optional<std::string> who_speaks_first(const http::Url& url) {
  std::string host = url.host;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(url.port).c_str(), &hints, &found) != 0)
    return std::nullopt;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  Fd fd;
  for (const addrinfo* at = addresses.get(); at != nullptr && !fd; at = at->ai_next)
    fd = connect_to(*at);
  if (!fd || !wait_for_socket(fd.get(), POLLIN)) return std::nullopt;
  std::array<char, 128> bytes;
  const auto n = ::recv(fd.get(), bytes.data(), bytes.size(), 0);
  if (n <= 0) return std::nullopt;
  return recognise_greeting({bytes.data(), static_cast<std::size_t>(n)});
}

}  // namespace dray
