#include "dray/base/sha256_pair.h"

#include <utility>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace dray {

#if defined(__x86_64__)

namespace {

constexpr std::size_t kBlock = 64;

// FIPS 180-4, 4.2.2.
alignas(16) constexpr std::uint32_t kRounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

bool has_instructions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kSsse3AndSse41 = 1U << 9 | 1U << 19, kSha = 1U << 29;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kSsse3AndSse41) != kSsse3AndSse41) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & kSha) != 0;
}

/// The words as the instructions take them: A, B, E, F and C, D, G, H, the first one highest.
struct Chain {
  __m128i abef, cdgh;
};

Chain chain_of(const Sha256Words& words) {
  const auto at = [&](int i) { return static_cast<int>(words[static_cast<std::size_t>(i)]); };
  return {_mm_set_epi32(at(0), at(1), at(4), at(5)), _mm_set_epi32(at(2), at(3), at(6), at(7))};
}

Sha256Words words_of(const Chain& chain) {
  alignas(16) std::uint32_t feba[4], hgdc[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(feba), chain.abef);
  _mm_store_si128(reinterpret_cast<__m128i*>(hgdc), chain.cdgh);
  return {feba[3], feba[2], hgdc[3], hgdc[2], feba[1], feba[0], hgdc[1], hgdc[0]};
}

#define DRAY_WITH_SHA __attribute__((target("sha,ssse3,sse4.1"), always_inline)) inline

/// `input`: four words of the message schedule, each plus its constant.
DRAY_WITH_SHA Chain four_rounds(Chain chain, __m128i input) {
  chain.cdgh = _mm_sha256rnds2_epu32(chain.cdgh, chain.abef, input);
  chain.abef = _mm_sha256rnds2_epu32(chain.abef, chain.cdgh, _mm_shuffle_epi32(input, 0x0E));
  return chain;
}

DRAY_WITH_SHA Chain sum(Chain chain, Chain other) {
  return {_mm_add_epi32(chain.abef, other.abef), _mm_add_epi32(chain.cdgh, other.cdgh)};
}

/// Takes and gives the chains by value, so that they stay in registers.
__attribute__((target("sha,ssse3,sse4.1"))) std::pair<Chain, Chain> compress(Chain first,
                                                                             Chain second,
                                                                             const std::byte* from,
                                                                             std::size_t blocks) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  for (; blocks > 0; --blocks, from += kBlock) {
    const Chain first_before = first, second_before = second;
    __m128i schedule[4];
    for (int i = 0; i < 4; ++i)
      schedule[i] =
          _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from) + i), big_endian);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      __m128i& now = schedule[i % 4];
      const __m128i input =
          _mm_add_epi32(now, _mm_load_si128(reinterpret_cast<const __m128i*>(kRounds) + i));
      first = four_rounds(first, input);
      second = four_rounds(second, input);
      if (i >= 12) continue;
      // The words 16 further on, of which these are the first ones needed.
      const __m128i next = schedule[(i + 1) % 4], third = schedule[(i + 2) % 4],
                    last = schedule[(i + 3) % 4];
      now = _mm_sha256msg2_epu32(
          _mm_add_epi32(_mm_sha256msg1_epu32(now, next), _mm_alignr_epi8(last, third, 4)), last);
    }
    first = sum(first, first_before);
    second = sum(second, second_before);
  }
  return {first, second};
}

#undef DRAY_WITH_SHA

}  // namespace

std::size_t compress_pair(Sha256Words& first, Sha256Words& second, Bytes bytes) {
  static const bool possible = has_instructions();
  if (!possible) return 0;
  const std::size_t blocks = bytes.size() / kBlock;
  const auto [one, two] = compress(chain_of(first), chain_of(second), bytes.data(), blocks);
  first = words_of(one);
  second = words_of(two);
  return blocks * kBlock;
}

#else

std::size_t compress_pair(Sha256Words&, Sha256Words&, Bytes) { return 0; }

#endif

}  // namespace dray
