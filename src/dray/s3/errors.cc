#include "dray/s3/errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "dray/base/bytes.h"
#include "dray/http/headers.h"
#include "dray/s3/xml.h"

namespace dray::s3 {

namespace {

constexpr XmlLimits kErrorLimits{.bytes = 1 << 20, .depth = 8, .elements = 1000};

struct Row {
  std::string_view server_code;
  Code code;
  bool transient;
  std::string_view hint;
};

constexpr std::string_view kPermissionHint =
    "the credentials need s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject, "
    "s3:AbortMultipartUpload and s3:ListMultipartUploadParts on this bucket (and its KMS key)";
constexpr std::string_view kTokenHint =
    "the session credentials have expired: get new ones and run the same command again";
constexpr std::string_view kRegionHint =
    "set the bucket's region (AWS_REGION) or the endpoint of that region (AWS_ENDPOINT_URL_S3)";
constexpr std::string_view kQuotaHint =
    "free space or raise the quota, then run the same command again: it continues";
constexpr std::string_view kLockHint =
    "the object is under Object Lock or a legal hold: choose another version";
constexpr std::string_view kBucketHint =
    "check the bucket's name and the endpoint; dray does not create buckets";

constexpr Row kRows[] = {
    {"NoSuchBucket", Code::not_found, false, kBucketHint},
    {"NoSuchKey", Code::not_found, false, ""},
    {"NoSuchUpload", Code::not_found, false, ""},
    {"NoSuchVersion", Code::not_found, false, ""},
    {"AccessDenied", Code::auth, false, kPermissionHint},
    {"AllAccessDisabled", Code::auth, false, kPermissionHint},
    {"AccountProblem", Code::auth, false, "there is a problem with the account itself"},
    {"NotSignedUp", Code::auth, false, "the account is not signed up for this service"},
    {"InvalidAccessKeyId", Code::auth, false,
     "check AWS_ACCESS_KEY_ID and that the endpoint is the one the key belongs to"},
    {"SignatureDoesNotMatch", Code::auth, false,
     "check AWS_SECRET_ACCESS_KEY (no spaces or line breaks) and that no proxy changes requests"},
    {"ExpiredToken", Code::auth, false, kTokenHint},
    {"ExpiredTokenException", Code::auth, false, kTokenHint},
    {"InvalidToken", Code::auth, false, kTokenHint},
    {"TokenRefreshRequired", Code::auth, false, kTokenHint},
    {"RequestTimeTooSkewed", Code::auth, false,
     "the clocks differ by more than 15 minutes: set this machine's clock"},
    {"RequestExpired", Code::auth, false, "set this machine's clock"},
    {"InvalidObjectState", Code::storage, false, "the object is archived: restore it first"},
    {"ObjectLocked", Code::policy, false, kLockHint},
    {"ObjectLockedByBucketPolicy", Code::policy, false, kLockHint},
    {"MissingContentMD5", Code::unsupported, false,
     "a bucket with Object Lock wants Content-MD5 with every object"},
    {"PermanentRedirect", Code::usage, false, kRegionHint},
    {"TemporaryRedirect", Code::usage, false, kRegionHint},
    {"AuthorizationHeaderMalformed", Code::usage, false, kRegionHint},
    {"IllegalLocationConstraintException", Code::usage, false, kRegionHint},
    {"InvalidBucketName", Code::usage, false, kBucketHint},
    {"KeyTooLongError", Code::usage, false, "S3 keys have at most 1024 bytes: use shorter names"},
    {"MetadataTooLarge", Code::usage, false, "S3 takes 2 KiB of metadata an object"},
    {"QuotaExceeded", Code::storage, false, kQuotaHint},
    {"QuotaExceededException", Code::storage, false, kQuotaHint},
    {"ServiceQuotaExceededException", Code::storage, false, kQuotaHint},
    {"XMinioAdminBucketQuotaExceeded", Code::storage, false, kQuotaHint},
    {"XMinioStorageFull", Code::storage, false, kQuotaHint},
    {"InsufficientStorage", Code::storage, false, kQuotaHint},
    {"EntityTooLarge", Code::usage, false, "the part or object is larger than the service takes"},
    {"EntityTooSmall", Code::internal, false, ""},
    {"InvalidPart", Code::verification, false,
     "the service lost or changed a part: run the same command again"},
    {"InvalidPartOrder", Code::internal, false, ""},
    {"InvalidRange", Code::precondition, false, ""},
    {"PreconditionFailed", Code::precondition, false, ""},
    {"BucketAlreadyExists", Code::conflict, false, "bucket names are shared: choose another"},
    {"ConditionalRequestConflict", Code::conflict, true, ""},
    {"OperationAborted", Code::conflict, true, ""},
    // versitygw on a file system, while somebody else removes the last object beside this one
    {"ExistingObjectIsDirectory", Code::conflict, true, ""},
    {"BadDigest", Code::verification, true, ""},
    {"XAmzContentSHA256Mismatch", Code::verification, true, ""},
    {"XAmzContentChecksumMismatch", Code::verification, true, ""},
    {"IncompleteBody", Code::network, true, ""},
    {"RequestTimeout", Code::network, true, ""},
    {"SlowDown", Code::throttled, true, ""},
    {"SlowDownRead", Code::throttled, true, ""},
    {"SlowDownWrite", Code::throttled, true, ""},
    {"BandwidthLimitExceeded", Code::throttled, true, ""},
    {"RequestLimitExceeded", Code::throttled, true, ""},
    {"RequestThrottled", Code::throttled, true, ""},
    {"RequestThrottledException", Code::throttled, true, ""},
    {"Throttling", Code::throttled, true, ""},
    {"ThrottlingException", Code::throttled, true, ""},
    {"ThrottledException", Code::throttled, true, ""},
    {"TooManyRequestsException", Code::throttled, true, ""},
    {"TooManyRequests", Code::throttled, true, ""},
    {"InternalError", Code::server, true, ""},
    {"InternalErrors", Code::server, true, ""},
    {"InternalFailure", Code::server, true, ""},
    {"ServiceUnavailable", Code::server, true, ""},
    // STS
    {"IDPCommunicationError", Code::server, true, ""},
    {"InvalidIdentityToken", Code::auth, false,
     "the web identity token is not accepted: check the service account and the role's trust"},
    {"NotImplemented", Code::unsupported, false, ""},
    {"MethodNotAllowed", Code::unsupported, false, ""},
};

Row by_status(int status) {
  switch (status) {
    case 401:
    case 403:
      return {"", Code::auth, false, kPermissionHint};
    case 404:
      return {"", Code::not_found, false, ""};
    case 405:
    case 501:
      return {"", Code::unsupported, false, ""};
    case 408:
      return {"", Code::network, true, ""};
    case 409:
      return {"", Code::conflict, false, ""};
    case 412:
      return {"", Code::precondition, false, ""};
    case 416:
      return {"", Code::precondition, false, ""};
    case 429:
      return {"", Code::throttled, true, ""};
    case 507:
      return {"", Code::storage, false, kQuotaHint};
    default:
      break;
  }
  if (status >= 300 && status < 400) return {"", Code::usage, false, kRegionHint};
  if (status >= 500) return {"", Code::server, status != 505, ""};
  return {"", Code::internal, false, ""};
}

Row row_of(std::string_view server_code, int status) {
  const auto* found = std::find_if(std::begin(kRows), std::end(kRows),
                                   [&](const Row& row) { return row.server_code == server_code; });
  return found == std::end(kRows) ? by_status(status) : *found;
}

/// Fit for a line of text: no control characters, not endless.
std::string cleaned(std::string_view text, std::size_t most) {
  std::string out;
  for (const char c : text.substr(0, most))
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  // Do not end within a character.
  if (text.size() > most)
    while (!out.empty() && static_cast<unsigned char>(out.back()) >= 0x80) out.pop_back();
  return out;
}

bool is_html(const http::Response& response) {
  return response.headers.get("content-type").value_or("").starts_with("text/html");
}

std::string message_of(const ServiceError& error, const http::Response& response) {
  if (!error.message.empty()) return error.message;
  if (!error.code.empty()) return "the service answered " + error.code;
  if (is_html(response)) return fmt::format("a web page came back with status {}", response.status);
  return fmt::format("the service answered with status {}", response.status);
}

std::optional<std::chrono::milliseconds> wait_of(const http::Response& response) {
  if (const auto value = response.headers.get("x-amz-retry-after"))
    if (const auto ms = parse_u64(*value); ms && *ms <= 3'600'000)
      return std::chrono::milliseconds(*ms);
  if (const auto value = response.headers.get("retry-after"))
    if (const auto wait = http::parse_retry_after(*value)) return *wait;
  return std::nullopt;
}

}  // namespace

ServiceError parse_service_error(std::string_view body) {
  const auto root = try_parse_xml(body, kErrorLimits);
  if (!root) return {};
  const XmlNode* node = &*root;
  ServiceError out;
  if (node->name == "ErrorResponse") {
    out.request_id = cleaned(node->get("RequestId"), 200);
    node = node->child("Error");
    if (node == nullptr) return {};
  }
  if (node->name != "Error") return {};
  out.code = cleaned(node->get("Code"), 100);
  out.message = cleaned(node->get("Message"), 500);
  if (out.request_id.empty()) out.request_id = cleaned(node->get("RequestId"), 200);
  out.region = cleaned(node->get("Region"), 100);
  return out;
}

ServiceError service_error(const http::Response& response) {
  ServiceError out = parse_service_error(response.body);
  // MinIO states the code of answers to HEAD so.
  if (out.code.empty()) {
    for (const char* name : {"x-amz-error-code", "x-minio-error-code"})
      if (const auto value = response.headers.get(name); value && out.code.empty())
        out.code = cleaned(*value, 100);
  }
  if (const std::string id = http::request_id(response.headers); !id.empty())
    out.request_id = cleaned(id, 200);
  if (const auto region = response.headers.get("x-amz-bucket-region"))
    out.region = cleaned(*region, 100);
  return out;
}

Error make_error(const ServiceError& error, const http::Response& response, Side side,
                 std::string verb, std::string what) {
  const Row row = row_of(error.code, response.status);
  std::string hint(row.hint);
  if (error.code.empty() && is_html(response))
    hint = "is the endpoint the S3 API and not a console or a route without a backend?";
  if (const auto target = response.headers.get("location");
      target && error.region.empty() && response.status / 100 == 3)
    hint = "the service redirects to " + cleaned(target->substr(0, target->find('?')), 200) +
           ": set the endpoint to the address that answers";
  Error out = Error(row.code, message_of(error, response))
                  .on(std::move(verb), std::move(what))
                  .from(side)
                  .http(response.status, error.code, error.request_id);
  if (!hint.empty()) out = std::move(out).hint(hint);
  if (row.transient) out = std::move(out).transient();
  if (const auto wait = wait_of(response)) out = std::move(out).retry_after(*wait);
  return out;
}

}  // namespace dray::s3
