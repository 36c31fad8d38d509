// From the command line to the exit status.
#pragma once

#include <string>
#include <vector>

namespace dray::cli {

/// Runs one command; `words` come without the program's name. Throws nothing.
int run_app(const std::vector<std::string>& words);

}  // namespace dray::cli
