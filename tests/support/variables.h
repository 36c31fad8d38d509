// Environments of variables that only the test knows.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "dray/base/environment.h"

namespace dray::test {

using Variables = std::map<std::string, std::string>;

/// Looks in `variables`, which may be changed while this is in use.
inline dray::Environment shared_environment(std::shared_ptr<const Variables> variables) {
  return [variables](const char* name) -> std::optional<std::string> {
    const auto found = variables->find(name);
    if (found == variables->end() || found->second.empty()) return std::nullopt;
    return found->second;
  };
}

}  // namespace dray::test
