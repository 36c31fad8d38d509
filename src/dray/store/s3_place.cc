#include "dray/store/s3_place.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/crc.h"
#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/base/time.h"
#include "dray/http/headers.h"

namespace dray {

namespace {

constexpr std::uint64_t kPartUnit = 8 * kMiB;
constexpr std::uint64_t kMostParts = 9'000;  // of 10,000, so that a rounding never ends beyond
constexpr std::string_view kSha256Field = "dray-sha256";

std::string name_of(const s3::ClientOptions& options) {
  return fmt::format("{}{}/{}", options.endpoint.url.origin(), options.endpoint.url.path,
                     options.bucket);
}

}  // namespace

S3Place::S3Place(S3StoreOptions options)
    : options_(std::move(options)),
      client_(options_.client),
      cache_(options_.endpoint_cache, options_.client.now),
      cache_name_(name_of(options_.client)) {}

std::string S3Place::full(const std::string& key) const {
  return options_.prefix.empty() ? key : options_.prefix + "/" + key;
}

std::string S3Place::stripped(const std::string& full_key) const {
  return options_.prefix.empty() ? full_key : full_key.substr(options_.prefix.size() + 1);
}

PartLayout S3Place::layout(std::uint64_t object_size) const {
  const std::uint64_t least = (object_size + kMostParts - 1) / kMostParts;
  const std::uint64_t rounded = (least + kPartUnit - 1) / kPartUnit * kPartUnit;
  return {object_size, std::max(options_.min_part_size, rounded), false};
}

S3Capabilities S3Place::capabilities(const std::stop_token& stop) {
  const std::lock_guard lock(mutex_);
  if (!found_) found_ = cache_.find(cache_name_);
  if (found_) return *found_;
  found_ = probe_endpoint(client_, full(".dray/probe/"), retry(), stop);
  cache_.remember(cache_name_, *found_);
  debug("{}: checksums {}, whole objects {}, MD5 {}, conditional put {}, conditional complete {}",
        cache_name_, found_->checks_crc64, found_->checks_whole_crc64, found_->checks_md5,
        found_->put_if_absent, found_->complete_if_absent);
  if (!found_->checks_crc64 && !found_->checks_md5)
    warn("{} checks no checksum of what it is sent; sizes and ETags are compared instead",
         cache_name_);
  return *found_;
}

bool S3Place::known() {
  const std::lock_guard lock(mutex_);
  if (!found_) found_ = cache_.find(cache_name_);
  return found_.has_value();
}

s3::PutOptions S3Place::put_options(const S3Capabilities& can, Bytes bytes) const {
  s3::PutOptions out;
  out.headers = options_.headers;
  if (can.takes_crc64) out.crc64 = crc64nvme(0, bytes);
  out.content_md5 = can.needs_md5 || (!can.checks_crc64 && can.checks_md5);
  return out;
}

s3::Metadata S3Place::metadata(const ObjectSpec& spec, const std::string& sha256) const {
  s3::Metadata out = spec.metadata;
  const bool named = std::any_of(out.begin(), out.end(),
                                 [](const auto& field) { return field.first == kSha256Field; });
  if (!named && !sha256.empty()) out.emplace_back(kSha256Field, sha256);
  return out;
}

StoredObject S3Place::describe(const std::string& key, const s3::ObjectInfo& info) const {
  return {key, info.size, info.etag, info.crc64, info.metadata};
}

std::optional<StoredObject> S3Place::head(const std::string& key, const std::stop_token& stop) {
  const auto info = client_.head_object(full(key), stop);
  if (!info) return std::nullopt;
  return describe(key, *info);
}

bool same_content(S3Place& place, const StoredObject& there, const ExpectedContent& expected,
                  const std::stop_token& stop) {
  if (there.size != expected.size) return false;
  if (there.crc64 && expected.crc64) return *there.crc64 == *expected.crc64;
  // An equal ETag is proof, another none: it depends on how the object was cut.
  if (!expected.etag.empty() && http::bare_etag(there.etag) == expected.etag) return true;
  Sha256 sha;
  std::uint64_t crc = 0;
  Buffer buffer(static_cast<std::size_t>(std::min<std::uint64_t>(there.size, 8 * kMiB)));
  for (std::uint64_t at = 0; at < there.size;) {
    const auto piece = MutableBytes(buffer).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), there.size - at)));
    with_retry(place.retry(), stop, [&] {
      place.client().get_range(place.full(there.key), there.etag, at, piece, stop);
    });
    sha.update(piece);
    crc = crc64nvme(crc, piece);
    at += piece.size();
  }
  if (!expected.sha256.empty()) return sha.hex() == expected.sha256;
  return expected.crc64 == crc;
}

std::optional<StoredObject> find_same(S3Place& place, const std::string& key,
                                      const ExpectedContent& expected,
                                      const std::stop_token& stop) {
  auto there = place.head(key, stop);
  if (!there) return std::nullopt;
  if (same_content(place, *there, expected, stop)) return there;
  throw Error(Code::conflict, "other content is already there")
      .on("publish", place.uri(key))
      .from(place.options().client.side)
      .hint("use another version, or remove what is there if it is not needed");
}

}  // namespace dray
