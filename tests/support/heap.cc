#include "tests/support/heap.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define DRAY_SANITIZED_HEAP
#endif
#endif

#ifdef DRAY_SANITIZED_HEAP
#include <sanitizer/allocator_interface.h>
#else
#include <malloc.h>
#endif

namespace dray::test {

std::uint64_t heap_bytes() {
#ifdef DRAY_SANITIZED_HEAP
  return __sanitizer_get_current_allocated_bytes();
#else
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
#endif
}

}  // namespace dray::test
