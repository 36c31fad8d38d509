#include "dray/serve/network.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include "dray/base/bytes.h"
#include "dray/base/error.h"

namespace dray {

namespace {

/// AF_INET, AF_INET6, or 0 when `text` is no address.
int read_address(const std::string& text, std::array<std::uint8_t, 16>& out) {
  for (const int family : {AF_INET, AF_INET6})
    if (::inet_pton(family, text.c_str(), out.data()) == 1) return family;
  return 0;
}

}  // namespace

Network::Network(const std::string& text) {
  const std::size_t slash = text.find('/');
  family_ = read_address(text.substr(0, slash), address_);
  const unsigned most = family_ == AF_INET ? 32 : 128;
  const auto bits = slash == std::string::npos ? most : parse_u64(text.substr(slash + 1));
  if (family_ == 0 || !bits || *bits > most)
    throw Error(Code::usage, fmt::format("'{}' is no network", text)).hint("like 10.0.0.0/8");
  bits_ = static_cast<unsigned>(*bits);
}

bool Network::contains(const std::string& address) const {
  std::array<std::uint8_t, 16> other{};
  if (read_address(address, other) != family_) return false;
  for (unsigned bit = 0; bit < bits_; bit += 8) {
    const unsigned left = bits_ - bit;
    const unsigned mask = left >= 8 ? 0xFF : 0xFF & ~(0xFFU >> left);
    if (((address_[bit / 8] ^ other[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

}  // namespace dray
