// One bucket of an S3 service. Requests are signed when they are sent.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/base/time.h"
#include "dray/http/retry.h"
#include "dray/s3/checksum.h"
#include "dray/s3/config.h"
#include "dray/s3/credentials.h"

namespace dray::s3 {

inline constexpr int kMaxParts = 10'000;
inline constexpr std::uint64_t kMinPartSize = 5 * kMiB, kMaxPartSize = 5 * kGiB;

using Metadata =
    std::vector<std::pair<std::string, std::string>>;  // names without "x-amz-meta-", lower case
using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct ClientOptions {
  Endpoint endpoint;
  std::string bucket;
  std::shared_ptr<CredentialsProvider> credentials;  // nullptr = unsigned requests
  http::RetryPolicy retry;                           // for requests that retry inside
  /// How long Complete and copies may be silent; servers assemble for minutes.
  std::chrono::milliseconds patience{600'000};
  std::chrono::milliseconds stall_timeout{30'000};
  std::function<UnixTime()> now = unix_now;
  Side side = Side::destination;  // named in errors
};

/// Endpoint and credentials as settings, environment and profile say; no request is sent.
ClientOptions client_options(const Settings& settings, std::string bucket,
                             Environment env = process_environment());

struct ObjectInfo {
  std::string key;
  std::uint64_t size = 0;
  std::string etag;                  // as sent: compare with http::bare_etag, quotes vary
  std::optional<Checksum> checksum;  // of the whole object, where the server states one
  std::string composite;             // else, of its parts' checksums ("…-3"), where it states that
  std::string content_type, version_id;
  std::optional<UnixTime> last_modified, server_time;
  Metadata metadata;  // decoded; empty in lists
};

struct PutOptions {
  std::string content_type = "application/octet-stream";
  Metadata metadata;           // values of any UTF-8 text: what is not printable ASCII is encoded
  bool if_none_match = false;  // only if absent: else Code::precondition
  std::string if_match;        // only over this ETag
  std::optional<Checksum> checksum;  // of the body, sent as checksum header
  bool content_md5 = false;  // compute and send it too (endpoints that ignore checksum headers)
  HeaderList headers;        // further x-amz-* (encryption, storage class, tagging), signed
};

struct PutResult {
  std::string etag;                  // "" only of complete_upload (Ceph RGW 16 states none)
  std::optional<Checksum> checksum;  // what the server states of the whole object
  std::string composite;             // … or of its parts' checksums
  std::string version_id;
};

struct CreateOptions {
  std::string content_type = "application/octet-stream";
  Metadata metadata;
  std::optional<ChecksumKind> checksum;  // declared: parts and the whole are checked with it
  bool composite = false;                // … the whole by its parts' checksums only
  HeaderList headers;
};

struct PartOptions {
  std::optional<Checksum> checksum;
  bool content_md5 = false;
};

struct PartInfo {
  int number = 0;  // 1 … 10,000
  std::uint64_t size = 0;
  std::string etag;  // exactly as sent
  std::optional<Checksum> checksum;
};

struct CompleteOptions {
  bool if_none_match = false;  // many servers ignore it: probe before relying on it
  std::string if_match;
  std::optional<Checksum>
      checksum;                 // of the whole object; only where it was declared, not composite
  bool name_checksums = false;  // send those of the parts too; implied by `checksum`
  std::optional<std::uint64_t> object_size;  // x-amz-mp-object-size
};

struct CopyOptions {
  std::string source_bucket;  // "" = this bucket
  std::string source_key;
  std::string
      source_etag;  // x-amz-copy-source-if-match; many servers ignore it: check before and after
  std::optional<ByteRange> range;  // upload_part_copy only
  bool if_none_match = false;      // copy_object only
  bool replace_metadata = false;   // copy_object: take the two below instead of the source's
  std::string content_type = "application/octet-stream";
  Metadata metadata;
  HeaderList headers;
};

struct ListQuery {
  std::string prefix, delimiter, start_after;
  int page_size = 1000;
  std::size_t limit = 0;  // stop after so many objects and prefixes; 0 = all
};

struct ListResult {
  std::vector<ObjectInfo> objects;      // key, size, etag, last_modified
  std::vector<std::string> prefixes;    // with delimiter
  std::optional<UnixTime> server_time;  // Date of the last page, to tell ages by the server's clock
};

struct UploadInfo {
  std::string key, id;
  std::optional<UnixTime> initiated;
};

/// Thread-safe. Errors carry side, HTTP status, S3 code, request id and a hint; object is
/// "s3://bucket/key".
///
/// Retries. "Retried": sent again inside by the policy (429, 5xx, SlowDown, RequestTimeout, lost
/// connections). "One try": retryable errors go to the caller, who owns the bytes; a lost answer is
/// transient where doing it twice is the same as once, else ambiguous. In both, three things are
/// put right inside, once each, without counting as a try: the clock offset (RequestTimeTooSkewed),
/// renewed credentials (ExpiredToken), the bucket's region (redirects).
class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const std::string& bucket() const;
  /// As configured, or in the region learned since.
  Endpoint endpoint() const;
  /// "s3://bucket/key".
  std::string uri(std::string_view key) const;

  /// Retried. Throws not_found, auth, …; gives the bucket's region where the server states it, else
  /// "".
  std::string head_bucket(const std::stop_token& stop = {});
  /// Retried. An own bucket that is there already is success.
  void create_bucket(const std::stop_token& stop = {});

  /// One try. Names of the buckets that the credentials may list, sorted as the service does.
  std::vector<std::string> list_buckets(const std::stop_token& stop = {});

  /// Retried. nullopt if the key (or the bucket: HEAD cannot tell) does not exist.
  std::optional<ObjectInfo> head_object(const std::string& key, const std::stop_token& stop = {});
  /// One try. Fills `out` from `offset` on; with `etag` not empty another object is
  /// Code::precondition.
  void get_range(const std::string& key, const std::string& etag, std::uint64_t offset,
                 MutableBytes out, const std::stop_token& stop = {});
  /// Retried. A whole small object; nullopt if absent, Code::malformed above `limit` bytes.
  struct Body {
    std::string content;
    ObjectInfo info;
  };
  std::optional<Body> get_object(const std::string& key, std::uint64_t limit,
                                 const std::stop_token& stop = {});

  /// One try. A lost answer is transient, but ambiguous under a condition.
  PutResult put_object(const std::string& key, Bytes body, const PutOptions& options = {},
                       const std::stop_token& stop = {});
  /// One try. Atomic on the server, at most 5 GB on AWS. As put_object.
  PutResult copy_object(const std::string& key, const CopyOptions& copy,
                        const std::stop_token& stop = {});
  /// Retried. Absent is success.
  void delete_object(const std::string& key, const std::stop_token& stop = {});
  /// Retried, in batches. Keys that could not be deleted are Code::partial naming the first.
  void delete_objects(const std::vector<std::string>& keys, const std::stop_token& stop = {});
  /// Retried; all pages.
  ListResult list(const ListQuery& query, const std::stop_token& stop = {});

  /// Retried; an answer lost on the way may leave an empty upload behind.
  std::string create_upload(const std::string& key, const CreateOptions& options = {},
                            const std::stop_token& stop = {});
  /// One try. The same number again replaces the part. Lost answers are transient.
  PartInfo upload_part(const std::string& key, const std::string& id, int number, Bytes body,
                       const PartOptions& options = {}, const std::stop_token& stop = {});
  /// One try. `size` of the result is the range's length (0 without a range).
  PartInfo upload_part_copy(const std::string& key, const std::string& id, int number,
                            const CopyOptions& copy, const std::stop_token& stop = {});
  /// Retried; all pages, ascending. nullopt if there is no such upload.
  std::optional<std::vector<PartInfo>> list_parts(const std::string& key, const std::string& id,
                                                  const std::stop_token& stop = {});
  /// One try. Parts ascending by number. A lost answer, an answer cut short and 500/502/504 are
  /// ambiguous: read back before anything else. NoSuchUpload is Code::not_found, also when a former
  /// try did complete.
  PutResult complete_upload(const std::string& key, const std::string& id,
                            const std::vector<PartInfo>& parts, const CompleteOptions& options = {},
                            const std::stop_token& stop = {});
  /// Retried, until the server knows the upload no more (parts in flight may land after a first
  /// abort). Absent is success.
  void abort_upload(const std::string& key, const std::string& id,
                    const std::stop_token& stop = {});
  /// Retried; all pages. Unfinished uploads whose key begins with `prefix`.
  std::vector<UploadInfo> list_uploads(const std::string& prefix, const std::stop_token& stop = {});

  /// A URL to read `key` without credentials for so long (1 s … 7 days, and not beyond the
  /// credentials' expiry).
  std::string presign_get(const std::string& key, std::chrono::seconds valid,
                          const std::stop_token& stop = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dray::s3
