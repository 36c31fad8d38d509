#include "dray/base/parallel.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/time.h"

namespace dray {

void parallel_for(std::size_t count, std::size_t threads, const std::stop_token& stop,
                  const std::function<void(std::size_t, const std::stop_token&)>& work) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::optional<Error> failure;  // the first; guarded by mutex
  std::stop_source halt;
  const std::stop_callback chain(stop, [&] { halt.request_stop(); });
  const auto run = [&] {
    try {
      for (std::size_t i = next++; i < count && !halt.stop_requested(); i = next++)
        work(i, halt.get_token());
    } catch (...) {
      const Error error = current_error();
      const std::lock_guard lock(mutex);
      if (!failure) failure = error;
      halt.request_stop();
    }
  };
  {
    std::vector<std::jthread> workers;
    for (std::size_t i = 1; i < std::min(threads, count); ++i) workers.emplace_back(run);
    run();
  }
  if (failure) throw Error(*failure);
  throw_if_stopped(stop);
}

}  // namespace dray
