// The ETag that S3 gives an object made of parts.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace dray {

/// MD5 over the parts' MD5s, "-" and their count, without quotes; nullopt unless every part's ETag
/// is an MD5.
std::optional<std::string> multipart_etag(const std::vector<std::string>& part_etags);

}  // namespace dray
