#include <cstdint>
#include <cstdlib>

#include "dray/base/error.h"
#include "dray/transfer/journal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const dray::Journal journal = dray::parse_journal(text, "fuzz");
    const std::string printed = dray::to_json_text(journal);
    if (dray::to_json_text(dray::parse_journal(printed, "fuzz")) != printed) std::abort();
  } catch (const dray::Error&) {
  }
  return 0;
}
