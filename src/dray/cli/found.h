// What a REF names: a release of a store, or an image of a registry.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "dray/cli/context.h"
#include "dray/model/manifest.h"
#include "dray/source/source.h"
#include "dray/store/store.h"

namespace dray::cli {

/// "oci://HOST/REPOSITORY:TAG" and its like, not NAME:VERSION.
bool names_image(const std::string& ref);

struct Found {
  std::shared_ptr<Store> store;
  std::optional<Manifest> manifest;  // of the release; nullopt: an image that dray did not make
  std::unique_ptr<Source> image;     // that one; its snapshot is not taken yet
};

/// `ref`: NAME, NAME:VERSION or NAME@ALIAS of `store` ("" = the command's), or an image, which may
/// lie anywhere. Errors as of resolve_release and of the registry.
Found find(Context& context, const std::string& ref, const std::string& store = "");
/// The same for what needs a release: Code::unsupported for images that dray did not make.
Found find_release(Context& context, const std::string& ref, const std::string& store = "");

/// For positional arguments.
inline constexpr const char* kRefHelp =
    "NAME, NAME:VERSION, NAME@ALIAS, or an image oci://HOST/REPOSITORY:TAG";

}  // namespace dray::cli
