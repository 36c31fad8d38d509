// Environment variables, as a value that tests replace.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace dray {

/// Looks up an environment variable; set but empty counts as absent.
using Environment = std::function<std::optional<std::string>(const char* name)>;
/// The variables of this process.
Environment process_environment();

}  // namespace dray
