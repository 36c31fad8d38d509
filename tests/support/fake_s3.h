// An S3 service in memory, on a RawServer: checks what a strict server checks, and misbehaves as
// told.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/raw_server.h"

namespace dray::test {

/// What the service honours. The default is AWS-like; `FakeS3Options` presets for others are the
/// static functions.
struct FakeS3Options {
  std::string access_key = "AKIDEXAMPLE";
  std::string secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
  std::string session_token;          // where not empty, requests must carry it
  std::string region;                 // where not empty, other regions in the scope are refused
  bool verify_signature = true;       // of every request; unsigned x-amz-* headers are refused too
  std::function<std::int64_t()> now;  // the server's clock, seconds; default: this machine's
  std::uint64_t min_part_size = 5 << 20;  // checked at Complete, last part excepted
  std::size_t page_size = 1000;           // most items of a list page
  bool put_conditions = true;             // If-None-Match / If-Match on PutObject and CopyObject
  bool complete_conditions = true;        // … on CompleteMultipartUpload
  bool copy_conditions = true;            // x-amz-copy-source-if-match
  bool checksums = true;                  // verify, store and state x-amz-checksum-*
  bool crc64nvme = true;                  // … of this kind; unknown kinds are ignored
  bool crc32c = true;
  bool full_object_crc32c = true;    // else x-amz-checksum-type is ignored: composite ones only
  bool right_copy_checksums = true;  // of copied ranges; else those of the whole source (versitygw)
  bool content_md5 = true;           // verify Content-MD5
  bool complete_again = true;  // a second Complete with the same list succeeds; else NoSuchUpload
  bool needs_every_part = false;  // Complete must name every part that was sent (Ceph RGW 16.2)
  bool complete_etag = true;      // stated in the answer to Complete; else empty (Ceph RGW 16.2)
  bool md5_part_etags = true;     // else ETags of parts are opaque
  bool md5_copy_etags = true;     // … of copied parts (SeaweedFS)
  bool copies_ranges = true;      // UploadPartCopy; else NotImplemented
  std::uint64_t max_copy = 5ull << 30;  // larger sources are refused, by CopyObject and as a part
  bool lists_buckets = true;            // else AccessDenied
  bool object_lock =
      false;               // data without Content-MD5 or checksum is refused, as under a retention
  std::string keep_alive;  // sent before the XML of Complete and copies, e.g. "   \n"

  /// Ceph RGW 16.2: no conditions on Complete, copy conditions and checksum headers ignored, all
  /// parts to be named, no ETag in the answer.
  static FakeS3Options rgw16();
  /// MinIO: a second Complete is NoSuchUpload.
  static FakeS3Options minio();
  /// A service of before 2025: CRC32C, and of uploads only composite ones.
  static FakeS3Options old_checksums();
};

struct FakeChecksum {
  std::string name;   // "CRC64NVME", "CRC32C"; "" = none
  std::string value;  // base64
  std::string type;   // "FULL_OBJECT", "COMPOSITE"
};

struct FakeObject {
  std::string content, etag, content_type;      // etag with quotes
  std::map<std::string, std::string> metadata;  // names without x-amz-meta-
  std::map<std::string, std::string> headers;   // other x-amz-* it was made with
  FakeChecksum checksum;
  std::int64_t modified = 0;
};

struct FakeUpload {
  std::string key, id;
  std::map<int, std::string> parts;
};

/// Operation names as in the S3 API: "PutObject", "UploadPart", "ListObjectsV2" …
class FakeS3 {
 public:
  explicit FakeS3(FakeS3Options options = {});
  ~FakeS3();
  std::string url() const;
  int port() const;
  RawServer& server();
  FakeS3Options options() const;
  /// Changes what is honoured from now on.
  void configure(std::function<void(FakeS3Options&)> change);

  void make_bucket(const std::string& bucket);
  void put(const std::string& bucket, const std::string& key, std::string content,
           std::map<std::string, std::string> metadata = {});
  void erase(const std::string& bucket, const std::string& key);
  /// Changes an object that is there behind everybody's back.
  void spoil(const std::string& bucket, const std::string& key,
             const std::function<void(FakeObject&)>& change);
  std::map<std::string, FakeObject> objects(const std::string& bucket) const;
  std::optional<FakeObject> object(const std::string& bucket, const std::string& key) const;
  std::vector<FakeUpload> uploads(const std::string& bucket) const;
  /// Requests of this operation so far, refused ones included.
  int count(const std::string& op) const;
  /// All operations in order of arrival.
  std::vector<std::string> operations() const;

  /// Called before a request is handled; an answer given here is sent instead. `n` counts this
  /// operation from 1.
  using Before =
      std::function<std::optional<RawResponse>(const RawRequest&, const std::string& op, int n)>;
  void before(Before hook);
  /// Called after it was handled; may change the answer (also into one that breaks).
  using After = std::function<void(const RawRequest&, const std::string& op, int n, RawResponse&)>;
  void after(After hook);
  /// The next `times` requests of `op` are carried out, but their answers are lost.
  void lose_answers(const std::string& op, int times = 1);
  /// The next `times` requests of `op` are not carried out but answered with this error.
  void fail(const std::string& op, int status, const std::string& code, int times = 1);
  /// From now on this session token is answered with ExpiredToken.
  void expire_token(const std::string& token);

  /// An error answer as S3 writes it.
  static RawResponse error(int status, const std::string& code,
                           const std::string& message = "refused by the test server");

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dray::test
