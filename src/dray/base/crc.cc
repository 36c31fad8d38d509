#include "dray/base/crc.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dray {

namespace {

/// Arithmetic modulo a CRC polynomial, in the reflected form: the coefficient of x^i of a value of
/// W bits is bit W-1-i. `P` is the reflected polynomial without its leading term.
template <typename Word, Word P>
struct Field {
  static constexpr int kBits = 8 * sizeof(Word);
  static constexpr Word kOne = Word{1} << (kBits - 1);

  static constexpr Word times_x(Word v) {
    return static_cast<Word>((v >> 1) ^ ((v & 1) != 0 ? P : 0));
  }
  static constexpr Word multiply(Word a, Word b) {
    Word product = 0;
    for (Word bit = kOne; bit != 0; bit >>= 1) {
      if ((a & bit) != 0) product ^= b;
      b = times_x(b);
    }
    return product;
  }
  /// x^exponent, one step a power: for constants.
  static constexpr Word power_of_x(int exponent) {
    Word v = kOne;
    for (int i = 0; i < exponent; ++i) v = times_x(v);
    return v;
  }
  /// crc × x^(8 × bytes): the CRC after so many more zero bytes (without initial and final
  /// inversion).
  static constexpr Word shift(Word crc, std::uint64_t bytes) {
    Word square = power_of_x(8);
    for (; bytes != 0; bytes >>= 1) {
      if ((bytes & 1) != 0) crc = multiply(crc, square);
      square = multiply(square, square);
    }
    return crc;
  }

  using Tables = std::array<std::array<Word, 256>, 8>;
  static constexpr Tables make_tables() {
    Tables t{};
    for (unsigned byte = 0; byte < 256; ++byte) {
      Word v = byte;
      for (int i = 0; i < 8; ++i) v = times_x(v);
      t[0][byte] = v;
    }
    for (std::size_t k = 1; k < 8; ++k)
      for (std::size_t byte = 0; byte < 256; ++byte) {
        const Word before = t[k - 1][byte];
        t[k][byte] = static_cast<Word>((before >> 8) ^ t[0][before & 255]);
      }
    return t;
  }
};

using Field64 = Field<std::uint64_t, 0x9A6C9329AC4BC9B5>;
using Field32 = Field<std::uint32_t, 0x82F63B78>;

constexpr auto kTables64 = Field64::make_tables();
constexpr auto kTables32 = Field32::make_tables();

std::uint64_t load_little_endian(const std::byte* p) {
  std::uint64_t v = 0;
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(&v, p, 8);
  } else {
    for (int i = 7; i >= 0; --i) v = v << 8 | std::to_integer<std::uint64_t>(p[i]);
  }
  return v;
}

/// Eight bytes a step, without initial and final inversion.
template <typename Word, typename Tables>
Word update_by_tables(const Tables& t, Word crc, Bytes bytes) {
  const std::byte* p = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, p += 8) {
    const std::uint64_t v = load_little_endian(p) ^ crc;
    crc = 0;
    for (std::size_t i = 0; i < 8; ++i) crc ^= t[7 - i][v >> (8 * i) & 255];
  }
  for (; left > 0; --left, ++p)
    crc = static_cast<Word>((crc >> 8) ^ t[0][(crc ^ std::to_integer<Word>(*p)) & 255]);
  return crc;
}

#if defined(__x86_64__)

#define DRAY_FOLD_TARGET __attribute__((target("pclmul,sse4.1")))
#define DRAY_CRC32_TARGET __attribute__((target("sse4.2")))

/// Factors that move a 128-bit register `distance` bits further: for its low and its high half.
/// The product of two reflected 64-bit values comes out one bit low, hence the -1.
struct FoldBy {
  std::uint64_t low, high;
};
constexpr FoldBy fold_by(int distance) {
  return {Field64::power_of_x(distance + 63), Field64::power_of_x(distance - 1)};
}

DRAY_FOLD_TARGET inline __m128i load(const std::byte* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}

DRAY_FOLD_TARGET inline __m128i factors(FoldBy by) {
  return _mm_set_epi64x(static_cast<long long>(by.high), static_cast<long long>(by.low));
}

DRAY_FOLD_TARGET inline __m128i fold(__m128i reg, __m128i by) {
  return _mm_xor_si128(_mm_clmulepi64_si128(reg, by, 0x00), _mm_clmulepi64_si128(reg, by, 0x11));
}

/// Folds eight registers at once, then into one, whose 16 bytes stand for all that went before; the
/// tables do those and the rest. Needs at least 128 bytes. Without initial and final inversion.
DRAY_FOLD_TARGET std::uint64_t fold_crc64(std::uint64_t crc, Bytes bytes) {
  constexpr FoldBy by_block = fold_by(8 * 128), by_one = fold_by(128);
  const std::byte* p = bytes.data();
  const std::byte* const end = p + bytes.size();
  __m128i x0 = _mm_xor_si128(load(p), _mm_set_epi64x(0, static_cast<long long>(crc)));
  __m128i x1 = load(p + 16), x2 = load(p + 32), x3 = load(p + 48);
  __m128i x4 = load(p + 64), x5 = load(p + 80), x6 = load(p + 96), x7 = load(p + 112);
  p += 128;
  const __m128i by = factors(by_block);
  for (; end - p >= 128; p += 128) {
    x0 = _mm_xor_si128(fold(x0, by), load(p));
    x1 = _mm_xor_si128(fold(x1, by), load(p + 16));
    x2 = _mm_xor_si128(fold(x2, by), load(p + 32));
    x3 = _mm_xor_si128(fold(x3, by), load(p + 48));
    x4 = _mm_xor_si128(fold(x4, by), load(p + 64));
    x5 = _mm_xor_si128(fold(x5, by), load(p + 80));
    x6 = _mm_xor_si128(fold(x6, by), load(p + 96));
    x7 = _mm_xor_si128(fold(x7, by), load(p + 112));
  }
  const __m128i one = factors(by_one);
  for (const __m128i next : {x1, x2, x3, x4, x5, x6, x7}) x0 = _mm_xor_si128(fold(x0, one), next);
  for (; end - p >= 16; p += 16) x0 = _mm_xor_si128(fold(x0, one), load(p));

  std::array<std::byte, 16> folded;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(folded.data()), x0);
  crc = update_by_tables(kTables64, std::uint64_t{0}, Bytes(folded));
  return update_by_tables(kTables64, crc, Bytes(p, end));
}

/// Three streams at a time hide the latency of the CRC32 instruction.
DRAY_CRC32_TARGET std::uint32_t instruction_crc32c(std::uint32_t crc, Bytes bytes) {
  constexpr std::size_t kStream = 4096;
  constexpr std::uint32_t kShift = Field32::shift(Field32::kOne, kStream);
  const std::byte* p = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t a = crc;
  for (; left >= 3 * kStream; left -= 3 * kStream, p += 3 * kStream) {
    std::uint64_t b = 0, c = 0;
    for (std::size_t i = 0; i < kStream; i += 8) {
      a = _mm_crc32_u64(a, load_little_endian(p + i));
      b = _mm_crc32_u64(b, load_little_endian(p + kStream + i));
      c = _mm_crc32_u64(c, load_little_endian(p + 2 * kStream + i));
    }
    const auto ab = Field32::multiply(kShift, static_cast<std::uint32_t>(a)) ^ b;
    a = Field32::multiply(kShift, static_cast<std::uint32_t>(ab)) ^ c;
  }
  for (; left >= 8; left -= 8, p += 8) a = _mm_crc32_u64(a, load_little_endian(p));
  auto result = static_cast<std::uint32_t>(a);
  for (; left > 0; --left, ++p) result = _mm_crc32_u8(result, std::to_integer<unsigned char>(*p));
  return result;
}

#undef DRAY_FOLD_TARGET
#undef DRAY_CRC32_TARGET

#endif  // __x86_64__

template <typename Word>
std::string header_value(Word crc) {
  std::array<std::byte, sizeof(Word)> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(crc >> (8 * (bytes.size() - 1 - i)) & 255);
  return to_base64(bytes);
}

}  // namespace

std::uint64_t crc64nvme_portable(std::uint64_t crc, Bytes bytes) {
  return ~update_by_tables(kTables64, ~crc, bytes);
}

std::uint64_t crc64nvme(std::uint64_t crc, Bytes bytes) {
#if defined(__x86_64__)
  static const bool can_fold = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  if (can_fold && bytes.size() >= 128) return ~fold_crc64(~crc, bytes);
#endif
  return crc64nvme_portable(crc, bytes);
}

std::uint64_t crc64nvme_combine(std::uint64_t a, std::uint64_t b, std::uint64_t length_b) {
  return Field64::shift(a, length_b) ^ b;
}

std::uint64_t crc64nvme_join(std::span<const std::uint64_t> parts, std::uint64_t part_size,
                             std::uint64_t size) {
  if (parts.empty()) return 0;
  std::uint64_t crc = parts[0];
  for (std::size_t i = 1; i < parts.size(); ++i)
    crc = crc64nvme_combine(crc, parts[i], std::min(part_size, size - i * part_size));
  return crc;
}

std::uint32_t crc32c_portable(std::uint32_t crc, Bytes bytes) {
  return ~update_by_tables(kTables32, ~crc, bytes);
}

std::uint32_t crc32c(std::uint32_t crc, Bytes bytes) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2");
  if (has_instruction) return ~instruction_crc32c(~crc, bytes);
#endif
  return crc32c_portable(crc, bytes);
}

std::uint32_t crc32c_combine(std::uint32_t a, std::uint32_t b, std::uint64_t length_b) {
  return Field32::shift(a, length_b) ^ b;
}

std::string crc64_header(std::uint64_t crc) { return header_value(crc); }

std::string crc32_header(std::uint32_t crc) { return header_value(crc); }

}  // namespace dray
