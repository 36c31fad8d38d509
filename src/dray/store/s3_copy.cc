#include "dray/store/s3_copy.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/base/parallel.h"
#include "dray/store/s3_complete.h"

namespace dray {

namespace {

constexpr unsigned kThreads = 4;  // the server does the work; more only queue there

s3::CopyOptions copy_options(S3Place& place, const StoredObject& from, const ObjectSpec& spec) {
  s3::CopyOptions out;
  out.source_key = place.full(from.key);
  out.source_etag = from.etag;
  out.replace_metadata = true;
  out.content_type = spec.content_type;
  out.metadata = place.metadata(spec, spec.sha256);
  out.headers = place.options().headers;
  return out;
}

/// Whatever the service has against copying this object, its bytes can come from elsewhere; what
/// stands against writing at all is then told by that.
bool means_no_copy(const Error& e) { return e.http_status() >= 400 && !e.retryable(); }

bool unchanged(S3Place& place, const StoredObject& from, const std::stop_token& stop) {
  return place.holds(from.key, from.etag, stop);
}

/// Copies all ranges, several at once; the first error ends it.
std::vector<s3::PartInfo> copy_ranges(S3Place& place, const s3::CopyOptions& options,
                                      const std::string& key, const std::string& id,
                                      const PartLayout& ranges, const std::stop_token& stop) {
  std::vector<s3::PartInfo> parts(ranges.count());
  parallel_for(parts.size(), kThreads, stop, [&](std::size_t i, const std::stop_token& token) {
    auto range = options;
    range.range = ranges.part(i);
    const int number = static_cast<int>(i) + 1;
    parts[i] = with_retry(place.retry(), token, [&] {
      return place.client().upload_part_copy(key, id, number, range, token);
    });
  });
  return parts;
}

std::optional<StoredObject> copy_by_ranges(S3Place& place, const StoredObject& from,
                                           const ObjectSpec& spec, const ExpectedContent& expected,
                                           const std::stop_token& stop) {
  const S3Capabilities can = place.capabilities(stop);
  // Without a checksum: versitygw 1.8 computes those of copied ranges wrongly and then refuses the
  // whole. Where the service states one of its own it is compared with the source's.
  s3::CreateOptions create;
  create.content_type = spec.content_type;
  create.metadata = place.metadata(spec, spec.sha256);
  create.headers = place.options().headers;
  const std::string key = place.full(spec.key);
  const std::string id = place.client().create_upload(key, create, stop);
  const auto give_up = [&] { abort_quietly(place, spec.key, id); };
  try {
    auto options = copy_options(place, from, spec);
    options.headers.clear();  // they belong to the upload, not to its parts
    const std::uint64_t least = (spec.size + kMostParts - 1) / kMostParts;
    const PartLayout ranges{spec.size, std::max(place.options().copy_range, least), false};
    auto parts = copy_ranges(place, options, key, id, ranges, stop);
    for (auto& part : parts) part.checksum.reset();
    if (!unchanged(place, from, stop)) {
      give_up();
      return std::nullopt;
    }
    return with_retry(place.retry(), stop, [&] {
      return complete_and_prove(place, can, spec, id, parts, expected, false, stop);
    });
  } catch (const Error& e) {
    give_up();
    if (means_no_copy(e) || e.code() == Code::verification) return std::nullopt;
    throw;
  }
}

std::optional<StoredObject> copy_whole(S3Place& place, const StoredObject& from,
                                       const ObjectSpec& spec, const ExpectedContent& expected,
                                       const std::stop_token& stop) {
  auto options = copy_options(place, from, spec);
  options.if_none_match = place.capabilities(stop).put_if_absent;
  try {
    with_retry(place.retry(), stop,
               [&] { place.client().copy_object(place.full(spec.key), options, stop); });
  } catch (const Error& e) {
    if (!means_no_copy(e) && e.code() != Code::conflict) throw;
    debug("{}: not copied in one request: {}", place.uri(spec.key), e.what());
    // Either the source has changed or the target is there; what is there tells.
    if (auto there = find_same(place, spec.key, expected, stop)) return there;
    // Services have limits of their own.
    if (e.http_status() != 400) return std::nullopt;
    return copy_by_ranges(place, from, spec, expected, stop);
  }
  const auto made = place.look(spec.key, stop);
  const bool right =
      made && made->size == spec.size && same_checksum(*made, expected).value_or(true);
  if (!right || !unchanged(place, from, stop)) {
    // What was copied may be another object than the one that was proved.
    place.client().delete_object(place.full(spec.key), stop);
    return std::nullopt;
  }
  return place.describe(spec.key, *made);
}

}  // namespace

std::optional<StoredObject> copy_in_bucket(S3Place& place, const StoredObject& from,
                                           const ObjectSpec& spec, const std::stop_token& stop) {
  const auto source = place.head(from.key, stop);
  if (!source || source->etag != from.etag || source->size != spec.size) return std::nullopt;
  const ExpectedContent expected{spec.size, spec.sha256, source->crc64, {}};
  if (const auto there = find_same(place, spec.key, expected, stop)) return there;
  if (spec.size <= place.options().max_single_copy)
    return copy_whole(place, *source, spec, expected, stop);
  return copy_by_ranges(place, *source, spec, expected, stop);
}

}  // namespace dray
