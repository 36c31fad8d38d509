// A Range header: whatever it says, the answer lies inside the content.
#include "dray/serve/byte_range.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::uint64_t content = data[0];
  const std::string header(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto answer = dray::answer_range(header, content);
  if (answer.range.offset > content || answer.range.length > content - answer.range.offset)
    std::abort();
  if (answer.status == 206 && answer.range.length == 0) std::abort();
  if (answer.status == 200 && answer.range.length != content) std::abort();
  return 0;
}
