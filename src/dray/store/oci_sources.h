// Images of registries and layout folders, as sources of an import.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "dray/oci/reference.h"
#include "dray/source/source.h"
#include "dray/store/oci_store.h"

namespace dray {

/// The image of this tag or digest: by its record where dray made it, so that a copy is the same
/// release, else by what is in it. `store` is the repository that `reference` names.
std::unique_ptr<Source> image_source(std::shared_ptr<OciStore> store,
                                     const oci::Reference& reference);

/// The same by what is in it, whoever made it.
std::unique_ptr<Source> plain_image_source(std::shared_ptr<OciStore> store,
                                           const oci::Reference& reference);
/// The digest or tag that a reference names within its repository.
std::string wanted_of(const oci::Reference& reference);

/// An image of a folder in the OCI image layout: "oci:DIR" or "oci:DIR:NAME".
std::unique_ptr<Source> layout_source(const std::string& text);

}  // namespace dray
