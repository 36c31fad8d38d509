// Spans of bytes, byte ranges, and the text forms of binary values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dray {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;
using Buffer = std::vector<std::byte>;

inline constexpr std::uint64_t kKiB = 1024, kMiB = 1024 * kKiB, kGiB = 1024 * kMiB;

/// `length` bytes from `offset` on; both in bytes.
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint64_t end() const { return offset + length; }
  bool operator==(const ByteRange&) const = default;
};

inline Bytes as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Lower-case hexadecimal.
std::string to_hex(Bytes bytes);
/// nullopt unless `text` is an even number of hexadecimal digits (either case).
std::optional<Buffer> from_hex(std::string_view text);
/// Standard alphabet with padding (RFC 4648 section 4).
std::string to_base64(Bytes bytes);
/// nullopt unless `text` is well-formed, padded base64 without line breaks.
std::optional<Buffer> from_base64(std::string_view text);

/// "41.2 MiB": IEC units, at most one decimal; exact bytes below 1 KiB.
std::string human_size(std::uint64_t bytes);

/// A decimal number that fills all of `text` and fits 64 bits, without sign; else nullopt.
std::optional<std::uint64_t> parse_u64(std::string_view text);
/// A size as people write it: "256MiB", "64M" (IEC), "1GB" (SI), "1048576"; nullopt if malformed.
std::optional<std::uint64_t> parse_size(std::string_view text);

}  // namespace dray
