// The image that a modelcar is built on.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "dray/oci/client.h"
#include "dray/oci/images.h"
#include "dray/store/oci_image.h"

namespace dray {

/// A small image with a shell, which KServe's sidecar needs, for all platforms that OpenShift runs
/// on.
inline constexpr std::string_view kDefaultBase = "registry.access.redhat.com/ubi9/ubi-micro:latest";
inline constexpr std::string_view kNoBase = "scratch";

/// Opens a repository to read from.
using OpenRepository = std::function<std::shared_ptr<oci::Client>(const oci::Reference&)>;

struct BaseChoice {
  std::shared_ptr<oci::Images> images;  // null from nothing
  std::vector<BaseImage> platforms;     // one for each architecture, in their order
};

/// `base` is an image of a registry, "oci:DIR[:NAME]" or "scratch"; `architectures` as Go calls
/// them ("amd64", "arm64"), empty = those of both that the base has. Reads manifests and
/// configurations only. Code::not_found for an image or an architecture that is not there,
/// Code::unsupported for layers that KServe does not read (zstd).
BaseChoice choose_base(std::string_view base, const std::vector<std::string>& architectures,
                       const OpenRepository& open, const std::stop_token& stop);

/// Brings a blob of the base into the repository that is written to: there already, mounted, or
/// sent.
void copy_base_blob(oci::Images& from, const oci::Descriptor& blob, oci::Client& to,
                    const std::stop_token& stop);

}  // namespace dray
