// Loading a bundle: its releases become releases of a store, read where the bundle lies.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/release/bundle_open.h"
#include "dray/release/import.h"
#include "dray/store/bundle_store.h"
#include "dray/store/store_sources.h"

namespace dray {

/// One release on its way from the bundle into the store.
struct ReleaseLoad {
  std::unique_ptr<ReleaseSource> source;
  ImportRequest request;
  ImportPlan plan;
};

struct BundleLoad {
  const OpenBundle* bundle = nullptr;  // borrowed
  std::shared_ptr<BundleStore> files;
  std::vector<ReleaseLoad> releases;
};

/// Changes nothing. `wanted` says where to and how; source, name and version are filled in. Files
/// that are left out of the bundle are found in the store: Code::not_found that names the earlier
/// bundles where they are not. Other errors as of plan_import.
BundleLoad plan_bundle_load(const OpenBundle& bundle, const ImportRequest& wanted,
                            Progress& progress, const std::stop_token& stop);

/// Imports release `index`, verified, under its name and version and with the origin that it has.
/// Where bytes are wrong the error names the damaged volumes. Again after an interruption: goes on.
ImportResult run_bundle_load(BundleLoad& load, std::size_t index, Progress& progress,
                             const std::stop_token& stop);

}  // namespace dray
