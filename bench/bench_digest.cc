// SHA-256 of what is in memory, in GB a second on one core: of one chain, of two that are fed one
// after the other, and of two at once, as a layer of an image and the file in it need it.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "dray/base/digest.h"

namespace {

using dray::Buffer;
using dray::Sha256;

constexpr std::size_t kBlock = 8 << 20;  // one read of a source
constexpr int kRuns = 20;

template <typename Feed>
void tell(const char* name, Feed feed) {
  const Buffer block(kBlock, std::byte{0x5a});
  Sha256 first, second;
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    feed(first, second, block);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(kBlock) / took.count() / 1e9);
  }
  fmt::print("{:<22}{:6.2f}  {:.8}\n", name, best, first.hex());
}

}  // namespace

int main() {
  tell("one", [](Sha256& first, Sha256&, const Buffer& block) { first.update(block); });
  tell("one after the other", [](Sha256& first, Sha256& second, const Buffer& block) {
    first.update(block);
    second.update(block);
  });
  tell("both at once", [](Sha256& first, Sha256& second, const Buffer& block) {
    Sha256::update_both(first, second, block);
  });
}
