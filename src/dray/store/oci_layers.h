// Which blobs a release's files become in a registry. Pure: the same files give the same blobs.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "dray/store/store.h"

namespace dray {

struct LayerRules {
  /// Most layers of model files. Container runtimes mount a limited number (overlay2: some 120, and
  /// fewer for users without rights), and the base image has some of them.
  std::size_t most = 60;
  std::uint64_t large =
      32 * kMiB;  // from this size on a file has a layer of its own, as weights do
};

/// Files of a modelcar image, below `models/`: a tar layer for the model card, one for all small
/// files, one for each large one and for weights, in bytewise order of their paths. Where that
/// would be too many, large files that follow each other share layers. A layer that a file does not
/// fit into at once (FileToStore::Fits) is made of a blob of that file, which comes before.
std::vector<PackedObject> pack_modelcar(const std::string& prefix,
                                        const std::vector<FileToStore>& files,
                                        const LayerRules& rules);

/// Both at once: the files as blobs as they are, then the layers, which are made of those blobs.
std::vector<PackedObject> pack_both(const std::string& prefix,
                                    const std::vector<FileToStore>& files, const LayerRules& rules);

/// Files of a ModelPack artifact: each is a blob as it is, so that a publisher's SHA-256 names it.
/// Files of equal content are one blob.
std::vector<PackedObject> pack_modelpack(const std::string& prefix,
                                         const std::vector<FileToStore>& files);

}  // namespace dray
