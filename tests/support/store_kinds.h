// The stores that the conformance suite runs on.
#pragma once

#include <vector>

#include "tests/support/store_suite.h"

namespace dray::test {

/// In memory, a directory, S3 in several flavours, and the real endpoint that DRAY_TEST_S3_ENDPOINT
/// names.
std::vector<StoreKind> store_kinds();

}  // namespace dray::test
