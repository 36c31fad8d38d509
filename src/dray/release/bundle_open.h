// A bundle that came from elsewhere: found, and checked as far as it can be without reading all of
// it.
#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/model/bundle_record.h"
#include "dray/model/manifest.h"
#include "dray/store/bundle_tree.h"
#include "dray/store/bundle_volumes.h"
#include "dray/transfer/options.h"
#include "dray/transfer/progress.h"

namespace dray {

struct OpenBundle {
  std::string name;  // its path, for messages
  BundleRecord record;
  std::vector<Manifest> manifests;  // in the order of record.releases
  std::shared_ptr<const BundleTree> tree;
  std::shared_ptr<const BundleVolumeFiles> volumes;  // null: a folder
};

/// A folder, an index or the volumes beside it, or an archive in one file. Every volume, file and
/// manifest is there with the size it must have, and nothing else is in the archive; else
/// Code::verification that names all that is wrong, or Code::malformed. Code::not_found where
/// nothing is, or nothing that is finished.
OpenBundle open_bundle(const std::filesystem::path& path, const std::stop_token& stop);

/// The record of a bundle, or a record or index by itself.
BundleRecord read_bundle_record(const std::filesystem::path& path, const std::stop_token& stop);

/// Reads every byte. Names what is damaged: volumes where their digests are known, else files.
std::vector<std::string> verify_bundle(const OpenBundle& bundle, const TransferOptions& options,
                                       Progress& progress, const std::stop_token& stop);

/// After bytes of a file were found wrong: which of the volumes that hold it are; none where that
/// cannot be told.
std::vector<std::string> damaged_volumes(const OpenBundle& bundle, const std::string& key,
                                         const std::stop_token& stop);

}  // namespace dray
