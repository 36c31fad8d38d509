// Records of ranges, as anyone with access to the bucket may have written them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "dray/base/error.h"
#include "dray/model/range_digests.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto record = dray::parse_range_record(text, "record");
    for (const auto& file : record.files) {
      std::uint64_t least = 0;
      for (const auto& piece : file.ranges) {
        if (piece.range.offset < least || piece.range.length > file.size - piece.range.offset)
          std::abort();
        least = piece.range.end();
      }
    }
    if (dray::parse_range_record(dray::range_record_text(record), "record") != record) std::abort();
  } catch (const dray::Error&) {
  }
  return 0;
}
