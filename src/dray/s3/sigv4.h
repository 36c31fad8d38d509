// AWS Signature Version 4 as S3 wants it: the path is encoded once and never normalised, the
// payload hash is a header of its own. Pure functions; only `SigningKeys` has state. Format:
// "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference.
#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/secret.h"
#include "dray/base/time.h"
#include "dray/http/headers.h"
#include "dray/http/url.h"

namespace dray::s3 {

/// Payload hash of requests whose body is not signed: parts and objects, guarded by checksum
/// headers instead.
inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
/// Payload hash of a request without a body.
inline constexpr std::string_view kEmptyPayload =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// Hex SHA-256 of `body`, for small control bodies.
std::string payload_hash(Bytes body);

using Query = std::vector<std::pair<std::string, std::string>>;  // decoded names and values

/// "/a%20b/c": each byte outside A-Za-z0-9-._~/ encoded once; no dot segment or double slash is
/// touched.
std::string encode_path(std::string_view path);
/// Encoded, sorted by encoded name, then value; names without value as "uploads=".
std::string canonical_query(const Query& query);

/// What to sign with. `secret_access_key` and `session_token` are borrowed until the call returns.
struct Signer {
  std::string access_key_id;
  const Secret* secret_access_key = nullptr;
  const Secret* session_token = nullptr;  // nullptr or empty = none
  std::string region;
  std::string service = "s3";
  UnixTime time = 0;  // already corrected by the clock offset
};

/// "20130524T000000Z".
std::string amz_date(UnixTime time);
/// "20130524/us-east-1/s3/aws4_request".
std::string credential_scope(const Signer& signer);

struct CanonicalRequest {
  std::string text;
  std::string signed_headers;  // "host;x-amz-date"
};
/// `url.path` is taken as it is sent; `url.query` may have any order. Signed are host (from `url`),
/// content-md5, content-type, range and every x-amz-* of `headers`.
CanonicalRequest canonical_request(std::string_view method, const http::Url& url,
                                   const http::Headers& headers, std::string_view payload);
std::string string_to_sign(const Signer& signer, std::string_view canonical_request);

/// Derived signing keys, cached for the current (credentials, day, region, service). Thread-safe.
class SigningKeys {
 public:
  std::array<std::byte, 32> get(const Signer& signer);

 private:
  struct Entry {
    std::string scope, access_key_id;
    Secret secret;
    std::array<std::byte, 32> key{};
  };
  std::mutex mutex_;
  std::vector<Entry> entries_;  // newest last, at most a few
};

/// Hex signature of the string to sign.
std::string signature(const Signer& signer, std::string_view string_to_sign, SigningKeys& keys);

/// Adds x-amz-date, x-amz-content-sha256 (`payload`, only for the service s3), x-amz-security-token
/// and Authorization to `headers`. Send the URL and headers exactly as they are afterwards.
void sign(std::string_view method, const http::Url& url, http::Headers& headers,
          std::string_view payload, const Signer& signer, SigningKeys& keys);

/// A URL that anyone can use for `seconds` (1 … 604800, else Code::usage), but no longer than a
/// session token lives.
std::string presign(std::string_view method, http::Url url, std::int64_t seconds,
                    const Signer& signer, SigningKeys& keys);

}  // namespace dray::s3
