// Streaming digests: SHA-256 (with a state that can be saved), git blob SHA-1, MD5.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dray/base/bytes.h"

namespace dray {

/// SHA-256 (FIPS 180-4), streaming. Not thread-safe. Uses OpenSSL's SHA-NI code where the CPU has
/// it. `save` gives the mid-state (hash words, bit count, partial block) so that another process
/// can go on.
class Sha256 {
 public:
  static constexpr std::size_t kSize = 32;
  Sha256();
  void update(Bytes bytes);
  std::uint64_t bytes_hashed() const { return total_; }
  /// Lower-case hex of the digest of what was fed so far; the object can go on being fed.
  std::string hex() const;
  std::array<std::byte, kSize> digest() const;
  /// Opaque text (base64, < 200 characters, versioned, independent of the machine's byte order).
  std::string save() const;
  /// nullopt when `state` was not made by `save`.
  static std::optional<Sha256> restore(std::string_view state);

  static std::string hex_of(Bytes bytes);
  /// Both are fed these bytes. Where both are equally far from a multiple of 64 bytes and the
  /// processor has SHA instructions this takes little longer than feeding one.
  static void update_both(Sha256& first, Sha256& second, Bytes bytes);

 private:
  struct State {  // the words of OpenSSL's SHA256_CTX, kept here so that the header needs no
                  // OpenSSL
    alignas(16) unsigned char raw[112];
  };
  State state_;
  std::uint64_t total_ = 0;
};

/// Git's object id of a blob: SHA-1 over "blob <size>\0" and the content (size must be known
/// first). For naming, not security; works also where OpenSSL runs in FIPS mode.
class GitBlobSha1 {
 public:
  explicit GitBlobSha1(std::uint64_t size);
  void update(Bytes bytes);
  std::string hex() const;
  static std::string hex_of(Bytes bytes);

 private:
  struct State {
    alignas(16) unsigned char raw[96];
  };
  State state_;
};

/// Lower-case hex SHA-1 of a few bytes. For names, not security; works in FIPS mode.
std::string sha1_hex(Bytes bytes);
/// MD5 of S3 (Content-MD5, ETags): raw 16 bytes. For transport checks, not security; works in FIPS
/// mode.
std::array<std::byte, 16> md5(Bytes bytes);
/// HMAC-SHA256 (RFC 2104), raw 32 bytes.
std::array<std::byte, 32> hmac_sha256(Bytes key, Bytes message);

}  // namespace dray
