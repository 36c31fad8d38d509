// What comes in on a connection of a RawServer: heads of requests, and bodies of either framing.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace dray::test {

/// Reads from a socket that it does not own. Not thread-safe.
class RawInput {
 public:
  enum class End { whole, limit, gone, malformed };
  static constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

  explicit RawInput(int fd) : fd_(fd) {}

  /// The text before the empty line that ends a head; nullopt if the peer went away or it is too
  /// long.
  std::optional<std::string> head();
  /// Appends a body of `length` bytes to `out`, or its first `limit` ones.
  End sized_body(std::string& out, std::uint64_t length, std::uint64_t limit = kNoLimit);
  /// Appends the contents of a chunked body (RFC 9112 section 7.1); trailers are dropped.
  End chunked_body(std::string& out, std::uint64_t limit = kNoLimit);

 private:
  /// What comes next, "" when the peer went away; valid until the next call.
  std::string_view receive();
  bool more();
  /// Moves `count` bytes to `out`; when the peer goes away, those that came.
  bool take(std::string& out, std::uint64_t count);
  std::optional<std::string> line();

  int fd_;
  std::string pending_;  // read from the socket and not used yet
  std::string block_;    // where the socket is read to
};

}  // namespace dray::test
