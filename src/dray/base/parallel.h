// The same small work for many things at once.
#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>

namespace dray {

/// Calls `work(i, token)` for every i below `count`, from at most `threads` threads at once, and
/// returns when all have ended. The first error stops the others (by `token`) and is thrown;
/// Code::cancelled after `stop`.
void parallel_for(std::size_t count, std::size_t threads, const std::stop_token& stop,
                  const std::function<void(std::size_t, const std::stop_token&)>& work);

}  // namespace dray
