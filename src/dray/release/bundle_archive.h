// A bundle as an archive: planned to the last byte before the first is read.
#pragma once

#include "dray/release/bundle_plan.h"
#include "dray/transfer/plan.h"

namespace dray {

/// One object, the archive: folders, the releases' files, their manifests, the record last. Units
/// are the files under their keys. Code::unsupported for names that an archive cannot hold.
TransferPlan plan_archive(const BundlePlan& plan);

}  // namespace dray
