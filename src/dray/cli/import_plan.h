// The plan of an import, as --dry-run prints it.
#pragma once

#include <string>

#include "dray/cli/output.h"
#include "dray/release/import.h"

namespace dray::cli {

/// "PyTorch copy of the same weights: pytorch_model.bin and 2 more (548.1 MiB)".
std::string left_out_text(const LeftOut& left_out);
/// What is known before the first byte, in one line: bytes, time, GPU memory, licence.
std::string estimate_text(const ImportPlan& plan, const ImportRequest& request);
/// `all` files, however many there are.
void print_plan(Output& out, const ImportPlan& plan, const ImportRequest& request, bool all);

}  // namespace dray::cli
