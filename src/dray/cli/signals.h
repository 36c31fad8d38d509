// SIGINT and SIGTERM stop cleanly, SIGUSR1 tells the state.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>

namespace dray::cli {

/// While it lives: the first SIGINT or SIGTERM requests a stop and calls `on_stop`; a second SIGINT
/// ends the process at once with 130, a second SIGTERM with 143; SIGUSR1 calls what `on_state` was
/// given. SIGPIPE is ignored. The callbacks run on a thread of their own. One at a time in a
/// process; afterwards the former handlers are back.
class Signals {
 public:
  explicit Signals(std::function<void()> on_stop);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  std::stop_token stop() const;
  /// nullptr to forget it; returns when no call of the former one is under way.
  void on_state(std::function<void()> tell);
  /// The signal that asked for the stop, 0 if none did.
  int received() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dray::cli
