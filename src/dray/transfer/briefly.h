// Last requests on the way out.
#pragma once

#include <functional>
#include <stop_token>
#include <string_view>

namespace dray {

/// Runs `work` with a token that is stopped after a second and a half: a stop asked for by a person
/// must not wait longer for a store that does not answer. What fails is logged at `debug`; false
/// then.
bool briefly(std::string_view what,
             const std::function<void(const std::stop_token&)>& work) noexcept;

}  // namespace dray
