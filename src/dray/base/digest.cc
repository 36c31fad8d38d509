// The low-level functions are deprecated in OpenSSL 3, but only they give access to the mid-state,
// and they work whatever providers are loaded (FIPS mode has no MD5).
#define OPENSSL_SUPPRESS_DEPRECATED

#include "dray/base/digest.h"

#include <fmt/format.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "dray/base/crc.h"
#include "dray/base/sha256_pair.h"

namespace dray {

namespace {

// The saved state: version, eight words, count of bytes, the bytes of the unfinished block, CRC-32C
// of all that. Numbers are big-endian.
constexpr std::byte kStateVersion{1};
constexpr std::size_t kBlock = 64;
constexpr std::size_t kStateFixed = 1 + 8 * 4 + 8 + 4;
constexpr std::uint64_t kMostBytes =
    (std::uint64_t{1} << 61) - 1;  // the bit count must fit 64 bits

void put_number(Buffer& out, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i)
    out.push_back(static_cast<std::byte>(value >> (8 * i) & 255));
}

std::uint64_t take_number(Bytes& in, std::size_t bytes) {
  std::uint64_t value = 0;
  for (const std::byte b : in.first(bytes)) value = value << 8 | std::to_integer<std::uint64_t>(b);
  in = in.subspan(bytes);
  return value;
}

/// OpenSSL's context out of our opaque one and back; the compiler makes nothing of the copies.
template <typename Context, typename State>
Context load_context(const State& state) {
  static_assert(sizeof(Context) == sizeof(state.raw) && std::is_trivially_copyable_v<Context>);
  Context context;
  std::memcpy(&context, state.raw, sizeof context);
  return context;
}

template <typename State, typename Context>
void store_context(State& state, const Context& context) {
  static_assert(sizeof(Context) == sizeof(state.raw));
  std::memcpy(state.raw, &context, sizeof context);
}

template <std::size_t N>
unsigned char* raw(std::array<std::byte, N>& bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

}  // namespace

Sha256::Sha256() {
  SHA256_CTX context;
  SHA256_Init(&context);
  store_context(state_, context);
}

void Sha256::update(Bytes bytes) {
  auto context = load_context<SHA256_CTX>(state_);
  SHA256_Update(&context, bytes.data(), bytes.size());
  store_context(state_, context);
  total_ += bytes.size();
}

void Sha256::update_both(Sha256& first, Sha256& second, Bytes bytes) {
  const auto each = [&](Bytes now) {
    first.update(now);
    second.update(now);
  };
  if (first.total_ % kBlock != second.total_ % kBlock) return each(bytes);
  const std::size_t to_boundary = (kBlock - first.total_ % kBlock) % kBlock;
  each(bytes.first(std::min(to_boundary, bytes.size())));
  bytes = bytes.subspan(std::min(to_boundary, bytes.size()));

  auto one = load_context<SHA256_CTX>(first.state_), two = load_context<SHA256_CTX>(second.state_);
  Sha256Words of_one, of_two;
  std::ranges::copy(one.h, of_one.begin());
  std::ranges::copy(two.h, of_two.begin());
  const std::size_t taken = compress_pair(of_one, of_two, bytes);
  const auto keep = [taken](Sha256& hash, SHA256_CTX& context, const Sha256Words& words) {
    std::ranges::copy(words, context.h);
    hash.total_ += taken;
    context.Nl = static_cast<SHA_LONG>(hash.total_ << 3);
    context.Nh = static_cast<SHA_LONG>(hash.total_ >> 29);
    store_context(hash.state_, context);
  };
  keep(first, one, of_one);
  keep(second, two, of_two);
  each(bytes.subspan(taken));
}

std::array<std::byte, Sha256::kSize> Sha256::digest() const {
  auto context = load_context<SHA256_CTX>(state_);
  std::array<std::byte, kSize> out;
  SHA256_Final(raw(out), &context);
  return out;
}

std::string Sha256::hex() const { return to_hex(digest()); }

std::string Sha256::save() const {
  const auto context = load_context<SHA256_CTX>(state_);
  Buffer out;
  out.reserve(kStateFixed + kBlock);
  out.push_back(kStateVersion);
  for (const auto word : context.h) put_number(out, word, 4);
  put_number(out, total_, 8);
  const auto* block = reinterpret_cast<const std::byte*>(context.data);
  out.insert(out.end(), block, block + context.num);
  put_number(out, crc32c(0, out), 4);
  return to_base64(out);
}

std::optional<Sha256> Sha256::restore(std::string_view state) {
  if (state.size() >= 200) return std::nullopt;
  const auto bytes = from_base64(state);
  if (!bytes || bytes->size() < kStateFixed || bytes->front() != kStateVersion) return std::nullopt;
  Bytes checked = Bytes(*bytes).first(bytes->size() - 4);
  Bytes rest = Bytes(*bytes).subspan(1);

  Sha256 out;
  auto context = load_context<SHA256_CTX>(out.state_);
  for (auto& word : context.h) word = static_cast<SHA_LONG>(take_number(rest, 4));
  out.total_ = take_number(rest, 8);
  if (out.total_ > kMostBytes || rest.size() != out.total_ % kBlock + 4) return std::nullopt;
  context.Nl = static_cast<SHA_LONG>(out.total_ << 3);
  context.Nh = static_cast<SHA_LONG>(out.total_ >> 29);
  context.num = static_cast<unsigned>(out.total_ % kBlock);
  std::memcpy(context.data, rest.data(), context.num);
  rest = rest.subspan(context.num);
  if (take_number(rest, 4) != crc32c(0, checked)) return std::nullopt;
  store_context(out.state_, context);
  return out;
}

std::string Sha256::hex_of(Bytes bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}

GitBlobSha1::GitBlobSha1(std::uint64_t size) {
  SHA_CTX context;
  SHA1_Init(&context);
  const std::string header = fmt::format("blob {}", size);
  SHA1_Update(&context, header.c_str(), header.size() + 1);  // with the final NUL
  store_context(state_, context);
}

void GitBlobSha1::update(Bytes bytes) {
  auto context = load_context<SHA_CTX>(state_);
  SHA1_Update(&context, bytes.data(), bytes.size());
  store_context(state_, context);
}

std::string GitBlobSha1::hex() const {
  auto context = load_context<SHA_CTX>(state_);
  std::array<std::byte, SHA_DIGEST_LENGTH> out;
  SHA1_Final(raw(out), &context);
  return to_hex(out);
}

std::string sha1_hex(Bytes bytes) {
  SHA_CTX context;
  SHA1_Init(&context);
  SHA1_Update(&context, bytes.data(), bytes.size());
  std::array<std::byte, SHA_DIGEST_LENGTH> out;
  SHA1_Final(raw(out), &context);
  return to_hex(out);
}

std::string GitBlobSha1::hex_of(Bytes bytes) {
  GitBlobSha1 hash(bytes.size());
  hash.update(bytes);
  return hash.hex();
}

std::array<std::byte, 16> md5(Bytes bytes) {
  MD5_CTX context;
  MD5_Init(&context);
  MD5_Update(&context, bytes.data(), bytes.size());
  std::array<std::byte, 16> out;
  MD5_Final(raw(out), &context);
  return out;
}

std::array<std::byte, 32> hmac_sha256(Bytes key, Bytes message) {
  std::array<std::byte, kBlock> inner{};
  if (key.size() > kBlock) {
    Sha256 hash;
    hash.update(key);
    std::ranges::copy(hash.digest(), inner.begin());
  } else {
    std::ranges::copy(key, inner.begin());
  }
  auto outer = inner;
  for (auto& b : inner) b ^= std::byte{0x36};
  for (auto& b : outer) b ^= std::byte{0x5c};

  Sha256 inside;
  inside.update(inner);
  inside.update(message);
  Sha256 outside;
  outside.update(outer);
  outside.update(inside.digest());
  return outside.digest();
}

}  // namespace dray
