// First bytes of an unknown service: described in a few printable words, or not at all.
#include "dray/registry/greeting.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "dray/base/bytes.h"
#include "dray/base/path.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto words = dray::recognise_greeting(dray::as_text(std::as_bytes(std::span(data, size))));
  if (words.has_value() == (size == 0)) std::abort();
  if (!words) return 0;
  if (words->size() > 120 || !dray::valid_utf8(*words)) std::abort();
  for (const char c : *words)
    if (static_cast<unsigned char>(c) < 0x20 || c == '\x7F') std::abort();
  return 0;
}
