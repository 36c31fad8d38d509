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
constexpr std::string_view kSha256Field = "dray-sha256";

std::string name_of(const s3::ClientOptions& options) {
  return fmt::format("{}{}/{}", options.endpoint.url.origin(), options.endpoint.url.path,
                     options.bucket);
}

std::string checksums_text(const S3Capabilities& found) {
  const auto kind = found.part_checksum();
  if (!kind) return found.checks_objects() ? "of objects only" : "none";
  const ChecksumSupport& support = found.of(*kind);
  return s3::checksum_name(*kind) + (support.whole       ? " of parts and objects"
                                     : support.composite ? " of parts"
                                                         : " in part");
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
  debug("{}: checksums {}, MD5 {}, conditional put {}, conditional complete {}", cache_name_,
        checksums_text(*found_), found_->checks_md5, found_->put_if_absent,
        found_->complete_if_absent);
  if (!found_->checks_objects() && !found_->checks_md5)
    warn("{} checks no checksum of what it is sent; sizes and ETags are compared instead",
         cache_name_);
  return *found_;
}

bool S3Place::known() {
  const std::lock_guard lock(mutex_);
  if (!found_) found_ = cache_.find(cache_name_);
  return found_.has_value();
}

RangeCopySupport S3Place::range_copies(const StoredObject& from, const std::stop_token& stop) {
  S3Capabilities can = capabilities(stop);
  if (can.range_copies.asked) return can.range_copies;
  can.range_copies = probe_range_copies(client_, full(".dray/probe/"), can, full(from.key),
                                        from.etag, retry(), stop);
  debug("{}: copies of ranges {}, pinned {}, with checksums {}", cache_name_,
        can.range_copies.works, can.range_copies.if_match, can.range_copies.checksums);
  const std::lock_guard lock(mutex_);
  found_ = can;
  cache_.remember(cache_name_, can);
  return can.range_copies;
}

s3::PutOptions S3Place::put_options(const S3Capabilities& can, Bytes bytes) const {
  s3::PutOptions out;
  out.headers = options_.headers;
  if (const auto kind = can.object_checksum()) out.checksum = s3::checksum_of(*kind, bytes);
  out.content_md5 =
      options_.content_md5 || can.needs_md5 || (!can.checks_objects() && can.checks_md5);
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
  std::optional<std::uint64_t> crc64;
  if (info.checksum && info.checksum->kind == s3::ChecksumKind::crc64nvme)
    crc64 = info.checksum->value;
  return {key, info.size, info.etag, crc64, info.metadata};
}

std::optional<StoredObject> S3Place::head(const std::string& key, const std::stop_token& stop) {
  const auto info = look(key, stop);
  if (!info) return std::nullopt;
  return describe(key, *info);
}

std::optional<s3::ObjectInfo> S3Place::look(const std::string& key, const std::stop_token& stop) {
  return client_.head_object(full(key), stop);
}

bool S3Place::holds(const std::string& key, const std::string& etag, const std::stop_token& stop) {
  const auto there = look(key, stop);
  return there && there->etag == etag;
}

std::optional<bool> same_checksum(const s3::ObjectInfo& there, const ExpectedContent& expected) {
  if (!there.checksum) return std::nullopt;
  if (there.checksum->kind == s3::ChecksumKind::crc64nvme && expected.crc64)
    return there.checksum->value == *expected.crc64;
  if (expected.checksum && expected.checksum->kind == there.checksum->kind)
    return there.checksum == expected.checksum;
  return std::nullopt;
}

bool same_content(S3Place& place, const s3::ObjectInfo& there, const ExpectedContent& expected,
                  const std::stop_token& stop) {
  if (there.size != expected.size) return false;
  if (const auto same = same_checksum(there, expected)) return *same;
  // Equal ones are proof, others none: they depend on how the object was cut.
  if (!expected.etag.empty() && http::bare_etag(there.etag) == expected.etag) return true;
  if (!expected.composite.empty() && there.composite == expected.composite) return true;
  Sha256 sha;
  std::uint64_t crc = 0;
  Buffer buffer(static_cast<std::size_t>(std::min<std::uint64_t>(there.size, 8 * kMiB)));
  for (std::uint64_t at = 0; at < there.size;) {
    const auto piece = MutableBytes(buffer).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), there.size - at)));
    with_retry(place.retry(), stop,
               [&] { place.client().get_range(there.key, there.etag, at, piece, stop); });
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
  const auto there = place.look(key, stop);
  if (!there) return std::nullopt;
  if (same_content(place, *there, expected, stop)) return place.describe(key, *there);
  throw Error(Code::conflict, "other content is already there")
      .on("publish", place.uri(key))
      .from(place.options().client.side)
      .hint("use another version, or remove what is there if it is not needed");
}

}  // namespace dray
