// A comparison of releases, for people and for programs.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "dray/cli/output.h"
#include "dray/release/diff.h"

namespace dray::cli {

/// `all`: every tensor and setting, however many.
void print_difference(Output& out, const Manifest& before, const Manifest& after,
                      const ReleaseDifference& difference, bool all);
nlohmann::json difference_json(const ReleaseDifference& difference);

}  // namespace dray::cli
