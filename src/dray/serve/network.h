// Ranges of IP addresses.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace dray {

/// "10.0.0.0/8", "2001:db8::/32", or one address.
class Network {
 public:
  /// Throws Code::usage for anything else.
  explicit Network(const std::string& text);
  /// false for what is no address, and for one of the other family.
  bool contains(const std::string& address) const;

 private:
  int family_ = 0;
  unsigned bits_ = 0;
  std::array<std::uint8_t, 16> address_{};
};

}  // namespace dray
