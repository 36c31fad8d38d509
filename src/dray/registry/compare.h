// When a registered version is the one that is to be registered: the same rule for every registry.
#pragma once

#include <string_view>

#include "dray/registry/registry.h"

namespace dray {

/// The property of a version that names its content.
inline constexpr std::string_view kRootDigest = "root_digest";

/// Throws Code::conflict when a root digest is registered ("" = none) and differs.
void check_same_content(const Registration& wanted, std::string_view registered_digest);
/// Throws Code::conflict when the uris differ; a final '/' makes no difference (older tools leave
/// it off).
void check_same_uri(const Registration& wanted, std::string_view registered_uri);
bool same_uri(std::string_view a, std::string_view b);

}  // namespace dray
