// JSON from outside: refused, or a value whose text parses to the same value again.
#include "dray/base/json.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "dray/base/bytes.h"
#include "dray/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = dray::as_text(std::as_bytes(std::span(data, size)));
  try {
    const dray::Json value = dray::parse_json(text, "fuzz", {.bytes = 1 << 16, .depth = 32});
    const std::string once = dray::dump_json(value);
    if (dray::dump_json(dray::parse_json(once, "again")) != once) std::abort();
    (void)dray::find_u64(value, "a", "fuzz");
  } catch (const dray::Error& e) {
    if (e.code() != dray::Code::malformed) std::abort();
  }
  return 0;
}
