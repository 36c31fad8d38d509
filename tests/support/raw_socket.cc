#include "tests/support/raw_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

namespace dray::test {

namespace {

Fd tcp_socket(int flags = 0) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!fd) throw_errno("open", "socket");
  return fd;
}

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

}  // namespace

RawSocket::RawSocket(int backlog, int receive_buffer) : fd_(tcp_socket()) {
  if (receive_buffer > 0)
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd_.get(), generic, length) != 0 || ::listen(fd_.get(), backlog) != 0 ||
      ::getsockname(fd_.get(), generic, &length) != 0)
    throw_errno("listen at", "socket");
  port_ = ntohs(address.sin_port);
}

std::string RawSocket::url() const { return "http://127.0.0.1:" + std::to_string(port_); }

Fd RawSocket::connect() const {
  Fd fd = tcp_socket(SOCK_NONBLOCK);  // connecting to a full backlog would block
  const sockaddr_in address = loopback(port_);
  static_cast<void>(
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  return fd;
}

Fd RawSocket::accept() const {
  Fd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd) throw_errno("accept", "connection");
  return fd;
}

Fd connect_to_port(int port) {
  Fd fd = tcp_socket();
  const sockaddr_in address = loopback(port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw_errno("connect to", "socket");
  const timeval wait{.tv_sec = 30, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  return fd;
}

std::string read_head(const Fd& fd) {
  std::string head;
  char c = 0;
  while (!head.ends_with("\r\n\r\n") && ::recv(fd.get(), &c, 1, 0) == 1) head += c;
  return head;
}

void drain(const Fd& fd) {
  std::array<char, 65536> block;
  while (::recv(fd.get(), block.data(), block.size(), 0) > 0) {
  }
}

std::string read_to_end(const Fd& fd) {
  std::string all;
  std::array<char, 4096> block;
  for (ssize_t n = 0; (n = ::recv(fd.get(), block.data(), block.size(), 0)) > 0;)
    all.append(block.data(), static_cast<std::size_t>(n));
  return all;
}

void send_text(const Fd& fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) throw_errno("send", "text");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace dray::test
