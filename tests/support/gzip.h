// Compressed data for tests.
#pragma once

#include <string>
#include <string_view>

namespace dray::test {

/// One gzip member.
std::string gzipped(std::string_view text);

}  // namespace dray::test
