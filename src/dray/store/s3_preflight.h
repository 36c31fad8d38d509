// Whether a bucket can be used, found out before the first model byte, with what to do if not.
#pragma once

#include <stop_token>

#include "dray/store/s3_place.h"

namespace dray {

/// The bucket exists and may be listed; objects and multipart uploads can be made, aborted and
/// removed below the prefix. Errors name the permission that lacks, or a bucket that may be meant.
/// Leaves nothing behind.
void check_bucket(S3Place& place, const std::stop_token& stop);

}  // namespace dray
