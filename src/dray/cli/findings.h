// What a check of a store's records and a registry found, told by `dray doctor` and `dray verify`.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "dray/cli/context.h"
#include "dray/release/check.h"

namespace dray::cli {

/// Checks the store, and the registry if one is given; mends if `--fix` says so.
std::vector<Finding> find_problems(Context& context, Store& store, Registry* registry);

nlohmann::json findings_json(const std::vector<Finding>& findings);
void print_findings(Output& out, const std::vector<Finding>& findings);
/// Not mended yet.
std::size_t open_findings(const std::vector<Finding>& findings);

}  // namespace dray::cli
