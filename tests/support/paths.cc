#include "tests/support/paths.h"

#include <cstdlib>

// This is the only file that is compiled with the checkout's place in its command line, so that a
// compiler cache serves every other file to a checkout elsewhere.
namespace dray::test {
namespace {

std::string or_default(const char* variable, const char* value) {
  const char* found = std::getenv(variable);
  return found != nullptr && *found != '\0' ? found : value;
}

}  // namespace

std::string source_dir() { return or_default("DRAY_SOURCE_DIR", DRAY_SOURCE_DIR); }
std::string dray_binary() { return or_default("DRAY_BINARY", DRAY_BINARY); }

}  // namespace dray::test
