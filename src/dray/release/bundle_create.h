// Making a bundle: releases of a store, to be carried over where no network goes.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string_view>

#include "dray/release/bundle_plan.h"
#include "dray/transfer/options.h"
#include "dray/transfer/progress.h"

namespace dray {

struct BundleRequest {
  Store* store = nullptr;  // borrowed
  std::string_view place;  // of the store
  TransferOptions transfer;
};

struct BundleResult {
  BundleRecord record;   // of an archive: with its volumes
  bool changed = false;  // false: it was there
  std::uint64_t fetched = 0, reused = 0;
};

/// A folder that is a `dir:` store of the whole releases, and the record, which comes last. Every
/// file is verified before it has its name; after any interruption the same call goes on.
/// Code::conflict where the folder holds another bundle or other releases.
BundleResult create_bundle_folder(const BundleRequest& request, const BundlePlan& plan,
                                  const std::filesystem::path& folder, Progress& progress,
                                  const std::stop_token& stop);

/// The same tree as an archive, cut into volumes of `split` bytes (0: not cut) `stem`.000 …, and
/// the index `stem`.json, which comes last. Written from front to back in one pass; nothing has one
/// of these names before all of it is verified. Goes on after an interruption as create_folder.
BundleResult create_bundle_archive(const BundleRequest& request, const BundlePlan& plan,
                                   const std::filesystem::path& stem, std::uint64_t split,
                                   Progress& progress, const std::stop_token& stop);

}  // namespace dray
