#include "dray/transfer/briefly.h"

#include <thread>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/base/time.h"

namespace dray {

bool briefly(std::string_view what, const std::function<void(const std::stop_token&)>& work,
             std::chrono::milliseconds patience) noexcept {
  try {
    std::stop_source enough;
    const std::jthread timer([&](const std::stop_token& over) {
      if (wait_for(over, patience)) enough.request_stop();
    });
    work(enough.get_token());
    return true;
  } catch (...) {
    debug("could not {}: {}", what, current_error().what());
    return false;
  }
}

}  // namespace dray
