// The plan of an import, as --dry-run prints it.
#pragma once

#include <string>

#include "dray/cli/output.h"
#include "dray/release/import.h"

namespace dray::cli {

/// "PyTorch copy of the same weights: pytorch_model.bin and 2 more (548.1 MiB)".
std::string left_out_text(const LeftOut& left_out);
void print_plan(Output& out, const ImportPlan& plan, const ImportRequest& request);

}  // namespace dray::cli
