#include "dray/transfer/briefly.h"

#include <chrono>
#include <thread>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/base/time.h"

namespace dray {

namespace {

constexpr std::chrono::milliseconds kPatience{1500};

}  // namespace

bool briefly(std::string_view what,
             const std::function<void(const std::stop_token&)>& work) noexcept {
  try {
    std::stop_source patience;
    const std::jthread timer([&](const std::stop_token& over) {
      if (wait_for(over, kPatience)) patience.request_stop();
    });
    work(patience.get_token());
    return true;
  } catch (...) {
    debug("could not {}: {}", what, current_error().what());
    return false;
  }
}

}  // namespace dray
