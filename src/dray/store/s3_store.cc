#include "dray/store/s3_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "dray/base/crc.h"
#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/time.h"
#include "dray/store/catalog.h"
#include "dray/store/s3_copy.h"
#include "dray/store/s3_preflight.h"
#include "dray/store/s3_state.h"
#include "dray/store/s3_upload.h"

namespace dray {

S3Store::S3Store(S3StoreOptions options)
    : place_(std::make_shared<S3Place>(std::move(options))),
      state_(std::make_unique<S3State>(place_)) {
  const auto& with = place_->options();
  properties_.uri = "s3://" + with.client.bucket;
  if (!with.prefix.empty()) properties_.uri += "/" + with.prefix;
  properties_.kind = "s3";
  properties_.server_copy = true;
}

S3Store::~S3Store() = default;

void S3Store::preflight(const std::stop_token& stop) {
  check_bucket(*place_, stop);
  check_store_layout(*this, stop);
}

PartLayout S3Store::layout(std::uint64_t object_size) const { return place_->layout(object_size); }

std::unique_ptr<Upload> S3Store::begin(const ObjectSpec& spec, const SavedUpload* saved,
                                       const std::stop_token& stop) {
  throw_if_stopped(stop);
  if (saved != nullptr)
    if (auto upload = S3Upload::take_up(place_, spec, *saved, stop)) return upload;
  return S3Upload::start(place_, spec, stop);
}

StoredObject S3Store::create(const ObjectSpec& spec, Bytes bytes, const std::string& sha256,
                             const std::stop_token& stop) {
  throw_if_stopped(stop);
  if (bytes.size() != spec.size)
    throw Error(Code::internal, "the object has another size than stated")
        .on("create", place_->uri(spec.key));
  const S3Capabilities can = place_->capabilities(stop);
  ExpectedContent expected{spec.size, sha256, crc64nvme(0, bytes), {}};
  if (expected.sha256.empty()) expected.sha256 = Sha256::hex_of(bytes);
  if (can.md5_etags) expected.etag = to_hex(md5(bytes));
  if (!can.put_if_absent)
    if (const auto there = find_same(*place_, spec.key, expected, stop)) return *there;
  auto options = place_->put_options(can, bytes);
  options.content_type = spec.content_type;
  options.metadata = place_->metadata(spec, expected.sha256);
  options.if_none_match = can.put_if_absent;
  try {
    const auto made = place_->client().put_object(place_->full(spec.key), bytes, options, stop);
    if (can.put_if_absent && (can.checks_objects() || can.checks_md5))
      return place_->describe(spec.key, {.size = spec.size,
                                         .etag = made.etag,
                                         .checksum = made.checksum,
                                         .metadata = options.metadata});
  } catch (const Error& e) {
    if (e.code() != Code::precondition) {
      // Done or not: the same again finds out.
      if (e.retry() == Retry::ambiguous) throw Error(e).transient();
      throw;
    }
  }
  if (const auto there = find_same(*place_, spec.key, expected, stop)) return *there;
  throw Error(Code::conflict, "the object is made and removed by someone else at the same time")
      .on("create", place_->uri(spec.key))
      .from(place_->options().client.side)
      .transient();
}

std::optional<StoredObject> S3Store::copy(const StoredObject& from, const ObjectSpec& spec,
                                          const std::stop_token& stop) {
  throw_if_stopped(stop);
  return copy_in_bucket(*place_, from, spec, stop);
}

std::optional<CutLimits> S3Store::range_copies(const StoredObject& from, std::uint64_t object_size,
                                               const std::stop_token& stop) {
  throw_if_stopped(stop);
  // Amazon copies ranges only of larger objects.
  if (from.size <= s3::kMinPartSize) return std::nullopt;
  try {
    if (!place_->range_copies(from, stop).works) return std::nullopt;
  } catch (const Error& e) {
    if (e.code() == Code::precondition || e.code() == Code::not_found) return std::nullopt;
    throw;
  }
  // At least twice the least: what is cut in two must not come out too short.
  constexpr std::uint64_t kLeast = s3::kMinPartSize;
  return CutLimits{kLeast, std::max(layout(object_size).part_size, 2 * kLeast),
                   std::max(place_->options().copy_range, 2 * kLeast), kMostParts};
}

std::optional<StoredObject> S3Store::stat(const std::string& key, const std::stop_token& stop) {
  throw_if_stopped(stop);
  return place_->head(key, stop);
}

std::vector<Listed> S3Store::list(const std::string& prefix, const std::stop_token& stop) {
  s3::ListQuery query;
  query.prefix = place_->full(prefix);
  std::vector<Listed> out;
  for (auto& object : place_->client().list(query, stop).objects)
    out.push_back({place_->stripped(object.key), object.size, std::move(object.etag)});
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  return out;
}

std::vector<std::string> S3Store::list_names(const std::string& prefix,
                                             const std::stop_token& stop) {
  // Whole keys rather than a delimiter: SeaweedFS goes on listing folders whose objects were
  // removed.
  s3::ListQuery query;
  query.prefix = place_->full(prefix);
  std::set<std::string> out;
  for (const auto& object : place_->client().list(query, stop).objects) {
    const std::size_t begin = query.prefix.size();
    out.insert(object.key.substr(begin, object.key.find('/', begin) - begin));
  }
  out.erase("");  // a marker of the folder itself
  return {out.begin(), out.end()};
}

void S3Store::read(const std::string& key, const std::string& etag, std::uint64_t offset,
                   MutableBytes out, const std::stop_token& stop) {
  throw_if_stopped(stop);
  if (out.empty()) {  // there is no range of no bytes
    const auto there = place_->head(key, stop);
    const auto refuse = [&](Code code, const char* why) {
      return Error(code, why).on("read", place_->uri(key)).from(place_->options().client.side);
    };
    if (!there) throw refuse(Code::not_found, "no such object");
    if (!etag.empty() && there->etag != etag)
      throw refuse(Code::precondition, "the object is another one now");
    return;
  }
  place_->client().get_range(place_->full(key), etag, offset, out, stop);
}

void S3Store::remove(const std::string& key, const std::stop_token& stop) {
  place_->client().delete_object(place_->full(key), stop);
}

std::vector<UnfinishedUpload> S3Store::unfinished(const std::string& prefix,
                                                  const std::stop_token& stop) {
  std::vector<UnfinishedUpload> out;
  for (auto& upload : place_->client().list_uploads(place_->full(prefix), stop))
    out.push_back({place_->stripped(upload.key), std::move(upload.id)});
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.key < b.key; });
  return out;
}

void S3Store::abandon(const UnfinishedUpload& upload, const std::stop_token& stop) {
  place_->client().abort_upload(place_->full(upload.key), upload.id, stop);
}

std::string S3Store::serving_uri(const std::string& key) const {
  std::string out = place_->uri(key);
  if (!out.ends_with('/')) out += '/';
  return out;
}

}  // namespace dray
