// S3's error answers as dray::Error.
#pragma once

#include <string>
#include <string_view>

#include "dray/base/error.h"
#include "dray/http/client.h"

namespace dray::s3 {

/// What an error document says; all "" where there is none (HEAD, proxies).
struct ServiceError {
  std::string code, message, request_id, region;
};
/// Reads <Error> (S3) or <ErrorResponse><Error> (STS) from a body; leading white space is skipped.
ServiceError parse_service_error(std::string_view body);
/// As above, completed from the headers: request id, x-amz-error-code of HEAD answers where servers
/// send it, x-amz-bucket-region.
ServiceError service_error(const http::Response& response);

/// The error for an answer that is not a success (or a 200 whose body is an <Error>). Code,
/// retryability and hint come from the S3 code, else from the status. `what` is the S3 URI shown to
/// people.
Error make_error(const ServiceError& error, const http::Response& response, Side side,
                 std::string verb, std::string what);

}  // namespace dray::s3
