// An environment without the machine's own AWS configuration.
#pragma once

#include <memory>
#include <utility>

#include "tests/support/variables.h"

namespace dray::test {

/// HOME is a place without files unless given, so that the machine's own profiles play no part.
inline dray::Environment aws_environment(Variables variables) {
  variables.try_emplace("HOME", "/nonexistent");
  return shared_environment(std::make_shared<const Variables>(std::move(variables)));
}

}  // namespace dray::test
