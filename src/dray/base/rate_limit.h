// A limit on bytes per second, shared by threads.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

namespace dray {

/// Token bucket; a thread waits for its bytes in the order it came. 0 bytes a second means no
/// limit.
class RateLimit {
 public:
  explicit RateLimit(std::uint64_t bytes_per_second);
  /// Waits until `bytes` may be moved; throws Code::cancelled when stopped. Thread-safe.
  void acquire(std::uint64_t bytes, const std::stop_token& stop);

 private:
  std::uint64_t rate_;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace dray
