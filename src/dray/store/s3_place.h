// What the parts of the S3 store share: the bucket, the prefix, and what the endpoint honours.
#pragma once

#include <filesystem>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "dray/s3/client.h"
#include "dray/store/endpoint_cache.h"
#include "dray/store/probe.h"
#include "dray/store/store.h"

namespace dray {

/// Of an object; S3 allows 10,000, and a rounding must never end beyond.
inline constexpr std::uint64_t kMostParts = 9'000;

struct S3StoreOptions {
  s3::ClientOptions client;  // with the bucket
  std::string prefix;        // "a/b", without '/' at either end; "" = none
  s3::HeaderList
      headers;  // x-amz-* for every object that is made: encryption, storage class, tagging
  bool content_md5 = false;                  // also where the endpoint checks better checksums
  std::filesystem::path endpoint_cache;      // "" = nothing is remembered between processes
  std::uint64_t min_part_size = 32 * kMiB;   // a multiple of 8 MiB
  std::uint64_t max_single_copy = 5 * kGiB;  // larger objects are copied by ranges
  std::uint64_t copy_range = 512 * kMiB;     // 5 MiB … 5 GiB
};

/// Thread-safe; shared by a store and its uploads.
class S3Place {
 public:
  explicit S3Place(S3StoreOptions options);

  s3::Client& client() { return client_; }
  const S3StoreOptions& options() const { return options_; }
  const http::RetryPolicy& retry() const { return options_.client.retry; }
  /// Key in the bucket, and back.
  std::string full(const std::string& key) const;
  std::string stripped(const std::string& full_key) const;
  /// "s3://bucket/prefix/key".
  std::string uri(const std::string& key) const { return client_.uri(full(key)); }
  PartLayout layout(std::uint64_t object_size) const;

  /// From memory, the cache, or by asking the endpoint.
  S3Capabilities capabilities(const std::stop_token& stop);
  /// Whether capabilities() would not ask the endpoint.
  bool known();

  /// The same of copies of ranges; `from` is what is copied from if the endpoint must be asked.
  RangeCopySupport range_copies(const StoredObject& from, const std::stop_token& stop);

  /// Options for an object of known bytes, with the checks that the endpoint honours.
  s3::PutOptions put_options(const S3Capabilities& can, Bytes bytes) const;
  /// Content type and metadata of an object; its SHA-256 is added where known.
  s3::Metadata metadata(const ObjectSpec& spec, const std::string& sha256) const;
  StoredObject describe(const std::string& key, const s3::ObjectInfo& info) const;
  std::optional<StoredObject> head(const std::string& key, const std::stop_token& stop);
  /// The same with all that the service states.
  std::optional<s3::ObjectInfo> look(const std::string& key, const std::stop_token& stop);
  /// Whether the key still holds the object of this ETag.
  bool holds(const std::string& key, const std::string& etag, const std::stop_token& stop);

 private:
  const S3StoreOptions options_;
  s3::Client client_;
  EndpointCache cache_;
  const std::string cache_name_;
  std::mutex mutex_;
  std::optional<S3Capabilities> found_;
};

/// What an object is expected to be, with all that is known about it.
struct ExpectedContent {
  std::uint64_t size = 0;
  std::string sha256;  // "" if not known
  std::optional<std::uint64_t> crc64;
  std::string etag;  // bare; what it would be if made as we make it, "" if not known
  /// What it would have if made as we make it: one of the whole, or a composite one.
  std::optional<s3::Checksum> checksum = {};
  std::string composite = {};
};

/// Whether the stored object has the expected content, by the cheapest proof there is: size, the
/// store's checksum, the ETag; else all of it is read.
bool same_content(S3Place& place, const s3::ObjectInfo& there, const ExpectedContent& expected,
                  const std::stop_token& stop);
/// Only by checksums of the whole; nullopt if none is known on both sides.
std::optional<bool> same_checksum(const s3::ObjectInfo& there, const ExpectedContent& expected);
/// The object under the key, if its content is as expected; nullopt if there is none; other content
/// is Code::conflict.
std::optional<StoredObject> find_same(S3Place& place, const std::string& key,
                                      const ExpectedContent& expected, const std::stop_token& stop);

}  // namespace dray
