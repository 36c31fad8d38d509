// Last requests on the way out.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string_view>

namespace dray {

/// All that a stop asked for by a person may wait for a store that does not answer.
inline constexpr std::chrono::milliseconds kPatience{1500};

/// Runs `work` with a token that is stopped when `patience` is over. What fails is logged at
/// `debug`; false then.
bool briefly(std::string_view what, const std::function<void(const std::stop_token&)>& work,
             std::chrono::milliseconds patience = kPatience) noexcept;

}  // namespace dray
