// Compressed layers: any bytes end in data, an error, or a wish for more.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "dray/base/error.h"
#include "dray/source/layer_stream.h"

namespace {

constexpr std::size_t kMost = 1 << 20;  // a few bytes may stand for gigabytes

void inflate(dray::LayerCompression compression, dray::Bytes all, std::size_t step) {
  const auto inflater = dray::make_inflater(compression, "fuzz");
  std::vector<std::byte> room(777);
  std::size_t made = 0;
  try {
    while (!all.empty() && made < kMost) {
      dray::Bytes piece = all.first(std::min(step, all.size()));
      all = all.subspan(piece.size());
      while (made < kMost) {
        const std::size_t before = piece.size();
        const std::size_t size = inflater->next(piece, room);
        if (size > room.size() || piece.size() > before) std::abort();
        made += size;
        if (size == 0) break;
      }
      if (made < kMost && !piece.empty() && !inflater->ended()) std::abort();
    }
  } catch (const dray::Error& error) {
    if (error.code() != dray::Code::malformed) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const dray::Bytes all = std::as_bytes(std::span(data + 1, size - 1));
  const std::size_t step = data[0] == 0 ? all.size() + 1 : data[0];
  inflate(dray::LayerCompression::gzip, all, step);
  inflate(dray::LayerCompression::zstd, all, step);
  return 0;
}
