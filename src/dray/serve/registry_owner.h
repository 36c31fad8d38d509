// Roles that are held for some names only: which name a write belongs to.
#pragma once

#include <string_view>

#include "dray/serve/access.h"
#include "dray/serve/registry_routes.h"

namespace dray {

/// Throws Code::policy: `caller` does not hold the role for `name` ("" = for anything).
[[noreturn]] void refuse_role(const Caller& caller, Role role, std::string_view name);

/// Throws Code::policy unless `caller` holds the route's role for the model, experiment or serving
/// environment that the call changes: the one of the path, or what a new one is put into. What
/// belongs to none needs the role for every name. Errors of the call itself are thrown as the call
/// would.
void check_owner(const Caller& caller, const Route& route, const RegistryCall& call);

}  // namespace dray
