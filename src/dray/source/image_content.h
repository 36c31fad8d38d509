// What an image or artifact holds, by its manifest. Private to this room.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/oci/image.h"
#include "dray/source/oci_source.h"

namespace dray {

/// The manifest that a reference leads to: of an index the entry for the architecture, else the
/// first that is an image or a model.
struct ResolvedImage {
  std::string digest;  // of what the reference names, an index included
  oci::Manifest manifest;
};
ResolvedImage resolve_image(oci::Images& images, const std::string& reference,
                            const std::string& architecture, const std::stop_token& stop);

/// One file of the model.
struct ImageFile {
  FileEntry entry;
  OciSource::Place place;
};

struct ImageFiles {
  std::vector<OciSource::Layer> layers;  // lowest first
  std::vector<ImageFile> files;          // sorted by path
};

/// Lists the files, reading headers of plain layers and all of compressed ones, which proves those.
/// What is left out (links that lead elsewhere, devices) is warned of. Code::unsupported for what
/// is no model that dray knows; Code::malformed for broken archives and unsafe paths.
ImageFiles list_image(oci::Images& images, const oci::Manifest& manifest,
                      const http::RetryPolicy& retry, const std::stop_token& stop);

}  // namespace dray
