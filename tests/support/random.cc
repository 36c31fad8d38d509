#include "tests/support/random.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace dray::test {

std::uint64_t seed() {
  static const std::uint64_t value = [] {
    if (const char* text = std::getenv("DRAY_TEST_SEED")) return std::strtoull(text, nullptr, 10);
    return static_cast<unsigned long long>(std::random_device{}());
  }();
  return value;
}

void print_seed() { std::printf("DRAY_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed())); }

std::mt19937_64 generator(std::uint64_t salt) {
  return std::mt19937_64(seed() ^ (salt * 0x9E3779B97F4A7C15));
}

Buffer pattern(std::size_t size, std::uint64_t salt) {
  Buffer out(size);
  std::uint64_t x = salt * 0x9E3779B97F4A7C15 + 1;
  for (std::size_t i = 0; i < size; i += 8) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    std::memcpy(out.data() + i, &x, std::min<std::size_t>(8, size - i));
  }
  return out;
}

}  // namespace dray::test
