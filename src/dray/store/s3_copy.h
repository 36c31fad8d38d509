// Copies inside a bucket that move no bytes through this process.
#pragma once

#include <optional>
#include <stop_token>

#include "dray/store/s3_place.h"

namespace dray {

/// As Store::copy.
std::optional<StoredObject> copy_in_bucket(S3Place& place, const StoredObject& from,
                                           const ObjectSpec& spec, const std::stop_token& stop);

}  // namespace dray
