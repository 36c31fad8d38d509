// Environments of variables that only the test knows.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "dray/s3/profile.h"

namespace dray::test {

using Variables = std::map<std::string, std::string>;

/// Looks in `variables`, which may be changed while this is in use.
inline s3::Environment shared_environment(std::shared_ptr<const Variables> variables) {
  return [variables](const char* name) -> std::optional<std::string> {
    const auto found = variables->find(name);
    if (found == variables->end() || found->second.empty()) return std::nullopt;
    return found->second;
  };
}

/// HOME is a place without files unless given, so that the machine's own profiles play no part.
inline s3::Environment aws_environment(Variables variables) {
  variables.try_emplace("HOME", "/nonexistent");
  return shared_environment(std::make_shared<const Variables>(std::move(variables)));
}

}  // namespace dray::test
