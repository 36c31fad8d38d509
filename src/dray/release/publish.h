// The last look before a manifest is written.
#pragma once

#include <stop_token>
#include <string_view>

#include "dray/model/manifest.h"
#include "dray/store/store.h"

namespace dray {

/// The prefix holds exactly the manifest's files, with their sizes. Throws Code::conflict naming
/// the first that is missing, different or too much.
void check_prefix(Store& store, const Manifest& manifest, std::string_view place,
                  const std::stop_token& stop);

}  // namespace dray
