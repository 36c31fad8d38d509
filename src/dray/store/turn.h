// One writer at a time where the store cannot exclude races itself.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>

#include "dray/store/store.h"

namespace dray {

/// Held while one record is appended to a log. On a store that excludes races it does nothing. Else
/// it puts a marker of its own at `prefix` + "turn/{random}", and goes on only when no other marker
/// is there: of two writers that put theirs at once, both see both and both step back for a random
/// while. Markers older than kTurnLimit are a dead writer's and are removed. What this cannot
/// prevent is a writer that sleeps longer than that between its last look and its write.
class Turn {
 public:
  static constexpr std::chrono::seconds kTurnLimit{60};

  /// Waits for the turn, at most kTurnLimit and a little; then Code::locked (transient).
  Turn(Store& store, std::string prefix, const std::string& what, const std::stop_token& stop);
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  /// Gives the turn back; a marker that cannot be removed now is a dead writer's later.
  ~Turn();
  /// Right before the write: throws Code::locked (transient) if the turn may be over.
  void check() const;

 private:
  bool alone(const std::stop_token& stop);
  void leave() noexcept;

  Store& store_;
  const std::string prefix_, what_;
  std::string marker_;  // "": no marker is needed or left
  std::chrono::steady_clock::time_point since_;
};

}  // namespace dray
