// What an S3 endpoint was seen to honour. Documentation and version numbers prove nothing: servers,
// gateways and proxies ignore conditions and checksums silently.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "dray/base/error.h"
#include "dray/http/retry.h"
#include "dray/s3/client.h"

namespace dray {

/// What is known of one kind of checksum.
struct ChecksumSupport {
  bool taken = false;      // an object with a right one is accepted
  bool objects = false;    // … and with a wrong one refused
  bool parts = false;      // the same for the parts of an upload that was begun with it
  bool composite = false;  // … which can be begun only so that the whole has one of its parts' ones
  bool whole = false;      // … and for the value of the whole object at Complete
  bool operator==(const ChecksumSupport&) const = default;
};

/// What is known of copies of ranges (UploadPartCopy); asked when one is first wanted, because it
/// takes an object to copy from.
struct RangeCopySupport {
  bool asked = false;
  bool works = false;      // the right bytes come out
  bool if_match = false;   // x-amz-copy-source-if-match counts
  bool checksums = false;  // in an upload that is begun with part_checksum() they are right
  bool operator==(const RangeCopySupport&) const = default;
};

/// Everything false: nothing is relied on.
struct S3Capabilities {
  ChecksumSupport crc64, crc32c;
  bool checks_md5 = false;          // a wrong Content-MD5 is refused
  bool needs_md5 = false;           // objects without Content-MD5 are refused (Object Lock)
  bool put_if_absent = false;       // If-None-Match: * on PutObject
  bool complete_if_absent = false;  // … on CompleteMultipartUpload
  bool md5_etags =
      false;  // ETags are MD5s, of parts and (the known formula) of what is made of them
  RangeCopySupport range_copies;
  bool operator==(const S3Capabilities&) const = default;

  const ChecksumSupport& of(s3::ChecksumKind kind) const;
  ChecksumSupport& of(s3::ChecksumKind kind);
  /// To be sent with objects: one that is checked, else one that is at least taken.
  std::optional<s3::ChecksumKind> object_checksum() const;
  bool checks_objects() const;
  /// To begin uploads with: one that is checked for each part.
  std::optional<s3::ChecksumKind> part_checksum() const;
};

/// Asks the endpoint, with throw-away objects whose keys begin with `prefix` (ends in '/'), all
/// removed at the end. Some twenty small requests. Throws what an ordinary write would throw: no
/// permission, no bucket, no network.
S3Capabilities probe_endpoint(s3::Client& client, const std::string& prefix,
                              const http::RetryPolicy& policy, const std::stop_token& stop);

/// Asks how ranges of objects are copied, by copying the beginning of `source` (key in the bucket,
/// ETag, at least kProbedRange bytes) to throw-away keys.
RangeCopySupport probe_range_copies(s3::Client& client, const std::string& prefix,
                                    const S3Capabilities& can, const std::string& source,
                                    const std::string& etag, const http::RetryPolicy& policy,
                                    const std::stop_token& stop);
inline constexpr std::uint64_t kProbedRange = 64 * kKiB;

/// Retries a repeatable call by the policy.
template <typename Call>
auto with_retry(const http::RetryPolicy& policy, const std::stop_token& stop, Call call) {
  http::Retrier retrier(policy);
  for (;;) {
    try {
      return call();
    } catch (const Error& e) {
      // The caller says that repeating is safe, so that an unknown outcome may be repeated too.
      retrier.failed(e.retry() == Retry::ambiguous ? Error(e).transient() : e, stop);
    }
  }
}

}  // namespace dray
