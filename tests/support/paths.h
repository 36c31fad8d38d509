// Where the checkout and the program under test are.
#pragma once

#include <string>

namespace dray::test {

/// The folder of the checkout, without a final '/'. DRAY_SOURCE_DIR in the environment overrides
/// it.
std::string source_dir();
/// The `dray` program of the same build. DRAY_BINARY in the environment overrides it.
std::string dray_binary();

}  // namespace dray::test
