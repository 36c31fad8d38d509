#include "dray/base/rate_limit.h"

#include <algorithm>

#include "dray/base/time.h"

namespace dray {

namespace {

using Clock = std::chrono::steady_clock;
// What may be moved at once after a pause, in time; a longer pause earns no more.
constexpr auto kBurst = std::chrono::milliseconds(100);
// Keeps the arithmetic inside the clock's range, whatever is asked for.
constexpr auto kLongestSlot = std::chrono::hours(24 * 365);

}  // namespace

RateLimit::RateLimit(std::uint64_t bytes_per_second)
    : rate_(bytes_per_second), next_(Clock::now()) {}

void RateLimit::acquire(std::uint64_t bytes, const std::stop_token& stop) {
  throw_if_stopped(stop);
  if (rate_ == 0 || bytes == 0) return;
  const double seconds = static_cast<double>(bytes) / static_cast<double>(rate_);
  const std::chrono::duration<double> slot =
      std::min(std::chrono::duration<double>(seconds), std::chrono::duration<double>(kLongestSlot));

  // Taking the next free slot under the lock is what keeps the threads in order.
  Clock::time_point start;
  {
    const std::lock_guard lock(mutex_);
    start = std::max(next_, Clock::now() - kBurst);
    next_ = start + std::chrono::duration_cast<Clock::duration>(slot);
  }
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(start - Clock::now());
  if (wait.count() > 0) wait_for(stop, wait);
  throw_if_stopped(stop);
}

}  // namespace dray
