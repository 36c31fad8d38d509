// What an S3 endpoint was seen to honour. Documentation and version numbers prove nothing: servers,
// gateways and proxies ignore conditions and checksums silently.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "dray/base/time.h"
#include "dray/http/retry.h"
#include "dray/s3/client.h"

namespace dray {

/// Everything false: nothing is relied on.
struct S3Capabilities {
  bool takes_crc64 = false;         // an object with a right CRC64NVME header is accepted
  bool checks_crc64 = false;        // … and with a wrong one refused
  bool checks_part_crc64 = false;   // the same for the parts of an upload that was begun with it
  bool checks_whole_crc64 = false;  // … and for the value of the whole object at Complete
  bool checks_md5 = false;          // a wrong Content-MD5 is refused
  bool needs_md5 = false;           // objects without Content-MD5 are refused (Object Lock)
  bool put_if_absent = false;       // If-None-Match: * on PutObject
  bool complete_if_absent = false;  // … on CompleteMultipartUpload
  bool md5_etags =
      false;  // ETags are MD5s, of parts and (the known formula) of what is made of them
  bool operator==(const S3Capabilities&) const = default;
};

/// Asks the endpoint, with throw-away objects whose keys begin with `prefix` (ends in '/'), all
/// removed at the end. About fifteen small requests. Throws what an ordinary write would throw: no
/// permission, no bucket, no network.
S3Capabilities probe_endpoint(s3::Client& client, const std::string& prefix,
                              const http::RetryPolicy& policy, const std::stop_token& stop);

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

/// Remembers findings in a file for seven days: {"format": "dray-endpoints", "format_version": 1,
/// "endpoints": {place: {"time": …, …}}}. A cache: what cannot be read or written is only logged.
/// Thread-safe; processes may share the file, the last writer wins.
class EndpointCache {
 public:
  explicit EndpointCache(std::filesystem::path file, std::function<UnixTime()> now = unix_now)
      : file_(std::move(file)), now_(std::move(now)) {}

  /// `place` is endpoint and bucket: "https://host/bucket".
  std::optional<S3Capabilities> find(const std::string& place);
  void remember(const std::string& place, const S3Capabilities& found);
  void forget(const std::string& place);

 private:
  void update(const std::string& place, const S3Capabilities* found);

  const std::filesystem::path file_;
  const std::function<UnixTime()> now_;
  std::mutex mutex_;
};

}  // namespace dray
