// What a registry's refusals mean.
#pragma once

#include <string>

#include "dray/base/error.h"
#include "dray/http/client.h"

namespace dray::oci {

/// The first code of an error answer ("BLOB_UNKNOWN"), "" where it has none (distribution-spec,
/// "Error Codes").
std::string error_code(const http::Response& response);

/// The error for an answer outside 2xx that is no question of rights (401 and 403: errors.h).
/// `repository` is named in hints ("quay.io/org/model").
Error answer_error(const http::Request& request, const http::Response& response,
                   const std::string& repository);

}  // namespace dray::oci
