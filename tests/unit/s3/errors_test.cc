#include "dray/s3/errors.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace dray::s3 {
namespace {

http::Response answer(int status, const std::string& code, const std::string& message = "why") {
  http::Response out;
  out.status = status;
  if (!code.empty())
    out.body = "<?xml version=\"1.0\"?>\n<Error><Code>" + code + "</Code><Message>" + message +
               "</Message><RequestId>R1</RequestId></Error>";
  return out;
}

Error error_of(const http::Response& response) {
  return make_error(service_error(response), response, Side::destination, "write", "s3://b/k");
}

TEST(S3Errors, CodesDecideWhatCanBeDone) {
  struct Row {
    int status;
    const char* server_code;
    Code code;
    bool retryable;
  };
  for (const Row& row :
       std::initializer_list<Row>{{403, "AccessDenied", Code::auth, false},
                                  {403, "InvalidAccessKeyId", Code::auth, false},
                                  {403, "SignatureDoesNotMatch", Code::auth, false},
                                  {400, "ExpiredToken", Code::auth, false},
                                  {403, "RequestTimeTooSkewed", Code::auth, false},
                                  {404, "NoSuchBucket", Code::not_found, false},
                                  {404, "NoSuchKey", Code::not_found, false},
                                  {404, "NoSuchUpload", Code::not_found, false},
                                  {403, "QuotaExceeded", Code::storage, false},
                                  {507, "XMinioStorageFull", Code::storage, false},
                                  {400, "ObjectLocked", Code::policy, false},
                                  {301, "PermanentRedirect", Code::usage, false},
                                  {400, "AuthorizationHeaderMalformed", Code::usage, false},
                                  {400, "RequestTimeout", Code::network, true},
                                  {400, "IncompleteBody", Code::network, true},
                                  {400, "BadDigest", Code::verification, true},
                                  {400, "XAmzContentChecksumMismatch", Code::verification, true},
                                  {400, "InvalidPart", Code::verification, false},
                                  {400, "EntityTooSmall", Code::internal, false},
                                  {409, "OperationAborted", Code::conflict, true},
                                  {409, "ConditionalRequestConflict", Code::conflict, true},
                                  {409, "BucketAlreadyExists", Code::conflict, false},
                                  {412, "PreconditionFailed", Code::precondition, false},
                                  {503, "SlowDown", Code::throttled, true},
                                  {429, "TooManyRequests", Code::throttled, true},
                                  {500, "InternalError", Code::server, true},
                                  {200, "InternalError", Code::server, true},
                                  {200, "SlowDown", Code::throttled, true},
                                  {501, "NotImplemented", Code::unsupported, false},
                                  {400, "SomethingNew", Code::internal, false},
                                  {503, "SomethingNew", Code::server, true},
                                  {403, "", Code::auth, false},
                                  {404, "", Code::not_found, false},
                                  {408, "", Code::network, true},
                                  {429, "", Code::throttled, true},
                                  {500, "", Code::server, true},
                                  {502, "", Code::server, true},
                                  {503, "", Code::server, true},
                                  {504, "", Code::server, true},
                                  {505, "", Code::server, false},
                                  {507, "", Code::storage, false},
                                  {418, "", Code::internal, false}}) {
    const Error e = error_of(answer(row.status, row.server_code));
    EXPECT_EQ(e.code(), row.code) << row.status << row.server_code;
    EXPECT_EQ(e.retryable(), row.retryable) << row.status << row.server_code;
    EXPECT_EQ(e.http_status(), row.status);
    EXPECT_EQ(e.server_code(), row.server_code);
    EXPECT_EQ(e.side(), Side::destination);
  }
}

TEST(S3Errors, AuthQuotaLockAndClockHaveHints) {
  for (const char* code : {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch",
                           "NoSuchBucket", "ExpiredToken", "RequestTimeTooSkewed", "QuotaExceeded",
                           "ObjectLocked", "PermanentRedirect", "InvalidPart"})
    EXPECT_FALSE(error_of(answer(400, code)).hint().empty()) << code;
}

TEST(S3Errors, RequestIdsAndWaits) {
  http::Response busy = answer(503, "SlowDown");
  EXPECT_EQ(error_of(busy).request_id(), "R1");
  busy.headers.add("x-amz-request-id", "R2");
  busy.headers.add("Retry-After", "4");
  EXPECT_EQ(error_of(busy).request_id(), "R2");
  EXPECT_EQ(error_of(busy).retry_after(), std::chrono::seconds(4));
  busy.headers.add("x-amz-retry-after", "1500");
  EXPECT_EQ(error_of(busy).retry_after(), std::chrono::milliseconds(1500));
  EXPECT_EQ(error_of(answer(503, "SlowDown")).retry_after(), std::nullopt);
}

TEST(S3Errors, WebPagesAreCalledThat) {
  http::Response page = answer(503, "");
  page.headers.add("Content-Type", "text/html; charset=utf-8");
  page.body = "<html><body>Application is not available</body></html>";
  const Error e = error_of(page);
  EXPECT_TRUE(e.retryable());
  EXPECT_NE(e.message().find("web page"), std::string::npos);
  EXPECT_NE(e.hint().find("console"), std::string::npos);
}

TEST(S3Errors, TextFromOutsideIsCleaned) {
  const Error e = error_of(answer(400, "X", "one\ntwo " + std::string(5000, 'x')));
  EXPECT_LT(e.message().size(), 600U);
  EXPECT_EQ(e.message().find('\n'), std::string::npos);
  http::Response response = answer(403, "");
  response.headers.add("x-minio-error-code", "AccessDenied");
  EXPECT_EQ(error_of(response).server_code(), "AccessDenied");
}

TEST(S3Errors, StsDocumentsAndOthers) {
  const ServiceError sts = parse_service_error(
      "<ErrorResponse "
      "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>"
      "<Code>InvalidIdentityToken</Code><Message>no</Message></Error><RequestId>R9</RequestId>"
      "</ErrorResponse>");
  EXPECT_EQ(sts.code, "InvalidIdentityToken");
  EXPECT_EQ(sts.request_id, "R9");
  EXPECT_EQ(parse_service_error("<ErrorResponse/>").code, "");
  EXPECT_EQ(parse_service_error("<ListBucketResult/>").code, "");
  EXPECT_EQ(parse_service_error("not xml").code, "");
  EXPECT_EQ(parse_service_error("  \n<Error><Region>eu-west-1</Region></Error>").region,
            "eu-west-1");
}

}  // namespace
}  // namespace dray::s3
