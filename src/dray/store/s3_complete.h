// How a multipart upload becomes an object, or goes away. Used for uploads and for copies by
// ranges.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "dray/store/s3_place.h"

namespace dray {

/// Completes an upload and proves what came of it; what is already under the key is settled by
/// content. `send_checksums`: those of the parts and of the whole are sent along, as the upload was
/// begun with one. On Code::conflict and on success over existing content the upload is aborted.
StoredObject complete_and_prove(S3Place& place, const S3Capabilities& can, const ObjectSpec& spec,
                                const std::string& id, const std::vector<s3::PartInfo>& parts,
                                const ExpectedContent& expected, bool send_checksums,
                                const std::stop_token& stop);

/// Aborts an upload of `key`; failures are logged.
void abort_quietly(S3Place& place, const std::string& key, const std::string& id) noexcept;

}  // namespace dray
