// When a registered version is the one that is to be registered: the same rule for every registry.
#pragma once

#include <string_view>

#include "dray/registry/registry.h"

namespace dray {

/// The property of a version that names its content.
inline constexpr std::string_view kRootDigest = "root_digest";

/// Throws Code::conflict when a root digest is registered ("" = none) and differs.
void check_same_content(const Registration& wanted, std::string_view registered_digest);
/// Throws Code::conflict unless both digests are known: then, having passed `check_same_content`,
/// `wanted` is another place of the bytes that are registered at `registered_uri`.
void check_further_place(const Registration& wanted, std::string_view registered_digest,
                         std::string_view registered_uri);
/// A final '/' makes no difference: older tools leave it off.
bool same_uri(std::string_view a, std::string_view b);

}  // namespace dray
