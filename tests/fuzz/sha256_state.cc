// Saved hash states come back from journals: refused, or exactly what `save` would write again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "dray/base/crc.h"
#include "dray/base/digest.h"

namespace {

void check(std::string_view text) {
  auto hash = dray::Sha256::restore(text);
  if (!hash) return;
  if (hash->save() != text) std::abort();
  hash->update(dray::as_bytes("more"));
  if (hash->hex().size() != 64) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const dray::Bytes bytes = std::as_bytes(std::span(data, size));
  check(dray::as_text(bytes));
  // With the checksum put right, so that what lies behind it is reached.
  dray::Buffer state(bytes.begin(), bytes.end());
  const std::uint32_t crc = dray::crc32c(0, bytes);
  for (int shift = 24; shift >= 0; shift -= 8)
    state.push_back(static_cast<std::byte>(crc >> shift & 255));
  check(dray::to_base64(state));
  return 0;
}
