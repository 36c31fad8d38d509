// Which state stores exclude races, and which only notice them.
#pragma once

#include <stop_token>

#include "dray/store/state.h"

namespace dray {

/// Implemented besides StateStore by those whose create_if_absent may not exclude races, because
/// the place does not honour conditional writes. There one writer at a time is safe (store/turn.h).
class MayRace {
 public:
  virtual ~MayRace() = default;
  virtual bool excludes_races(const std::stop_token& stop) = 0;
};

inline bool excludes_races(StateStore& state, const std::stop_token& stop) {
  auto* const doubtful = dynamic_cast<MayRace*>(&state);
  return doubtful == nullptr || doubtful->excludes_races(stop);
}

}  // namespace dray
