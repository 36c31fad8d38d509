#include <string>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "dray/cli/app.h"

namespace {

/// --memory is a promise: what was large once goes back to the system, instead of leaving holes
/// that many threads' heaps keep.
void keep_the_heap_small() {
#ifdef __GLIBC__
  constexpr int kLarge = 256 << 10, kHeaps = 4;
  ::mallopt(M_MMAP_THRESHOLD, kLarge);
  ::mallopt(M_TRIM_THRESHOLD, kLarge);
  ::mallopt(M_ARENA_MAX, kHeaps);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  keep_the_heap_small();
  return dray::cli::run_app(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
