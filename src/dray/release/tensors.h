// The tensors of a release, from the headers of its safetensors files.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "dray/model/manifest.h"
#include "dray/model/safetensors.h"
#include "dray/source/source.h"
#include "dray/store/store.h"

namespace dray {

struct ReleaseTensor {
  std::string file;
  TensorInfo info;
  /// Of the codes of a weight that dray quantized: how far they are from what it was (manifest:
  /// `weights`).
  std::optional<double> relative_error, cosine;
};

/// In the order of files and data. Code::malformed for a broken header.
std::vector<ReleaseTensor> tensors_of(Store& store, const Manifest& manifest,
                                      std::string_view place, const std::stop_token& stop);

/// The header of one file of a release.
SafetensorsHeader read_header(Source& source, const ManifestFile& file,
                              const std::stop_token& stop);

}  // namespace dray
