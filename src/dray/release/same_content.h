// Whether a release holds what an import would bring.
#pragma once

#include "dray/release/import.h"

namespace dray {

/// Same origin, commit, selection and transforms, and the same files as far as the listing tells.
bool same_content(const Manifest& manifest, const ImportPlan& plan);

}  // namespace dray
