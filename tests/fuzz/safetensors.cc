// The header of a safetensors file: refused, or tensors that cover the data exactly.
#include "dray/model/safetensors.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "dray/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  // The first two bytes: how much data follows the header. The length is made right half of the
  // time, so that the fuzzer gets past it.
  const std::uint64_t data_bytes = data[0];
  dray::Buffer header(8 + size - 2);
  const bool fix = data[1] % 2 == 0;
  for (std::size_t i = 0; i < 8; ++i)
    header[i] = static_cast<std::byte>(fix ? (size - 2) >> (8 * i) : data[i % size] % 3);
  for (std::size_t i = 2; i < size; ++i) header[8 + i - 2] = static_cast<std::byte>(data[i]);
  try {
    const auto parsed = dray::parse_safetensors_header(header, header.size() + data_bytes, "fuzz");
    std::uint64_t reached = 0;
    for (const auto& tensor : parsed.tensors) {
      if (tensor.data.offset != reached || dray::dtype_bits(tensor.dtype) == 0) std::abort();
      reached = tensor.data.end();
    }
    if (parsed.header_bytes + reached != header.size() + data_bytes) std::abort();
  } catch (const dray::Error& e) {
    if (e.code() != dray::Code::malformed) std::abort();
  }
  return 0;
}
