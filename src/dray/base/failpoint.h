// Named places where a test can make the process die or fail.
#pragma once

#include <string_view>

namespace dray {

/// With DRAY_FAILPOINT="name" in the environment the process kills itself (SIGKILL) when it gets
/// here the first time; "name:3" the third time; "name=error" throws a transient Code::internal
/// error once. Costs one relaxed load where the variable is not set.
void failpoint(std::string_view name);

}  // namespace dray
