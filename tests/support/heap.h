// How much memory the test program holds.
#pragma once

#include <cstdint>

namespace dray::test {

/// Bytes on the heap that were taken and not given back, of all threads.
std::uint64_t heap_bytes();

}  // namespace dray::test
