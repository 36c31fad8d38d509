#include "dray/store/s3_upload.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "dray/base/crc.h"
#include "dray/base/error.h"
#include "dray/base/failpoint.h"
#include "dray/base/log.h"
#include "dray/base/time.h"
#include "dray/http/headers.h"
#include "dray/store/multipart_etag.h"

namespace dray {

namespace {

int number_of(std::uint64_t index) { return static_cast<int>(index) + 1; }

void abort_quietly(S3Place& place, const std::string& key, const std::string& id) noexcept {
  try {
    place.client().abort_upload(place.full(key), id, {});
  } catch (...) {
    warn("could not abort the unfinished upload of {}: {}", place.uri(key), current_error().what());
  }
}

/// Looks at the object that was just made. `etag` is what the server answered to Complete.
StoredObject prove(S3Place& place, const S3Capabilities& can, const ObjectSpec& spec,
                   const ExpectedContent& expected, const std::string& etag,
                   const std::stop_token& stop) {
  const auto wrong = [&](Code code, std::string message) {
    return Error(code, std::move(message))
        .on("commit", place.uri(spec.key))
        .from(place.options().client.side)
        .hint("run the same command again");
  };
  auto there = place.head(spec.key, stop);
  if (!there) throw wrong(Code::conflict, "someone else removed the object at once");
  bool fits = there->size == expected.size;
  if (fits && there->crc64 && expected.crc64) {
    fits = *there->crc64 == *expected.crc64;
  } else if (fits && can.md5_etags && !expected.etag.empty()) {
    // Encryption makes ETags opaque, so that another one is no proof of other content.
    fits = http::bare_etag(there->etag) == expected.etag ||
           same_content(place, *there, expected, stop);
  }
  if (fits) return *there;
  if (there->etag != etag)
    throw wrong(Code::conflict, "someone else wrote the object at the same time");
  // Wrong bytes do not keep a name.
  place.client().delete_object(place.full(spec.key), stop);
  throw wrong(Code::verification, "the service made another object than what was sent");
}

}  // namespace

StoredObject complete_and_prove(S3Place& place, const S3Capabilities& can, const ObjectSpec& spec,
                                const std::string& id, const std::vector<s3::PartInfo>& parts,
                                const ExpectedContent& expected, bool send_crc64,
                                const std::stop_token& stop) {
  // What is under the key, if it is what we would make; the upload is not needed then.
  const auto settled = [&]() -> std::optional<StoredObject> {
    try {
      auto there = find_same(place, spec.key, expected, stop);
      if (there) abort_quietly(place, spec.key, id);
      return there;
    } catch (const Error& e) {
      if (e.code() == Code::conflict) abort_quietly(place, spec.key, id);
      throw;
    }
  };
  if (!can.complete_if_absent)
    if (const auto there = settled()) return *there;
  s3::CompleteOptions options;
  options.if_none_match = can.complete_if_absent;
  options.object_size = spec.size;
  if (send_crc64) options.crc64 = expected.crc64;
  failpoint("s3.complete.before");
  std::string etag;
  try {
    etag = place.client().complete_upload(place.full(spec.key), id, parts, options, stop).etag;
  } catch (const Error& e) {
    const bool occupied = e.code() == Code::precondition || e.code() == Code::conflict;
    const bool gone = e.code() == Code::not_found;
    if (!occupied && !gone && e.retry() != Retry::ambiguous) throw;
    if (const auto there = settled()) return *there;
    if (gone)
      throw Error(e).hint(
          "the unfinished upload is gone; run the same command again to begin anew");
    // Not there: a lost request may be sent again; of two writers at once the other may have
    // failed.
    throw Error(e).transient();
  }
  failpoint("s3.complete.after");
  return prove(place, can, spec, expected, etag, stop);
}

S3Upload::S3Upload(std::shared_ptr<S3Place> place, ObjectSpec spec, std::string id,
                   S3Capabilities can, bool with_crc64, std::vector<PutPart> present)
    : place_(std::move(place)),
      spec_(std::move(spec)),
      id_(std::move(id)),
      can_(can),
      crc64_(with_crc64),
      present_(std::move(present)) {}

std::unique_ptr<S3Upload> S3Upload::start(std::shared_ptr<S3Place> place, const ObjectSpec& spec,
                                          const std::stop_token& stop) {
  const S3Capabilities can = place->capabilities(stop);
  s3::CreateOptions options;
  options.content_type = spec.content_type;
  options.metadata = place->metadata(spec, spec.sha256);
  options.crc64 = can.checks_part_crc64;
  options.headers = place->options().headers;
  std::string id = place->client().create_upload(place->full(spec.key), options, stop);
  return std::unique_ptr<S3Upload>(
      new S3Upload(std::move(place), spec, std::move(id), can, can.checks_part_crc64, {}));
}

std::unique_ptr<S3Upload> S3Upload::take_up(std::shared_ptr<S3Place> place, const ObjectSpec& spec,
                                            const SavedUpload& saved, const std::stop_token& stop) {
  const PartLayout layout = place->layout(spec.size);
  if (saved.id.empty() || saved.part_size != layout.part_size) return nullptr;
  const auto listed = place->client().list_parts(place->full(spec.key), saved.id, stop);
  if (!listed) return nullptr;
  const S3Capabilities can = place->capabilities(stop);
  // Whether the upload was begun with a checksum shows in its parts only.
  bool crc64 = can.checks_part_crc64;
  std::map<int, const s3::PartInfo*> held;
  for (const auto& part : *listed) {
    // SeaweedFS lists a part that was put again with all its contents; which one counts is not
    // said.
    const auto [at, first] = held.try_emplace(part.number, &part);
    if (!first && (at->second == nullptr || at->second->etag != part.etag)) at->second = nullptr;
    crc64 = crc64 && part.crc64.has_value();
  }
  std::vector<PutPart> present;
  for (const auto& part : saved.parts) {
    if (part.index >= layout.count() || part.size != layout.part(part.index).length) continue;
    const auto found = held.find(number_of(part.index));
    if (found == held.end() || found->second == nullptr || part.etag.empty()) continue;
    const s3::PartInfo& info = *found->second;
    if (info.etag == part.etag && info.size == part.size &&
        (!info.crc64 || *info.crc64 == part.crc64))
      present.push_back(part);
  }
  // A part beyond the layout would break Complete on servers that want every part named.
  const bool strays = !held.empty() && held.rbegin()->first > number_of(layout.count() - 1);
  if (present.empty() || strays) {
    abort_quietly(*place, spec.key, saved.id);
    return nullptr;
  }
  return std::unique_ptr<S3Upload>(
      new S3Upload(std::move(place), spec, saved.id, can, crc64, std::move(present)));
}

PutPart S3Upload::put(std::uint64_t index, Bytes bytes, std::uint64_t crc64,
                      const std::stop_token& stop) {
  if (index >= layout().count() || bytes.size() != layout().part(index).length)
    throw Error(Code::internal, fmt::format("part {} has {} bytes", index, bytes.size()))
        .on("put", place_->uri(spec_.key));
  s3::PartOptions options;
  if (crc64_) options.crc64 = crc64;
  options.content_md5 = can_.needs_md5 || (!crc64_ && can_.checks_md5);
  const auto part = place_->client().upload_part(place_->full(spec_.key), id_, number_of(index),
                                                 bytes, options, stop);
  return {index, bytes.size(), crc64, part.etag};
}

StoredObject S3Upload::commit(const std::vector<PutPart>& parts, const std::string& sha256,
                              const std::stop_token& stop) {
  throw_if_stopped(stop);
  if (parts.size() != layout().count())
    throw Error(Code::internal, fmt::format("{} parts named of {}", parts.size(), layout().count()))
        .on("commit", place_->uri(spec_.key));
  ExpectedContent expected{spec_.size, sha256, 0, {}};
  std::vector<s3::PartInfo> named;
  std::vector<std::string> etags;
  for (std::uint64_t i = 0; i < parts.size(); ++i) {
    if (parts[i].index != i || parts[i].size != layout().part(i).length)
      throw Error(Code::internal, fmt::format("part {} is not in its place", i))
          .on("commit", place_->uri(spec_.key));
    expected.crc64 = crc64nvme_combine(*expected.crc64, parts[i].crc64, parts[i].size);
    named.push_back({number_of(i), parts[i].size, parts[i].etag, std::nullopt});
    if (crc64_) named.back().crc64 = parts[i].crc64;
    etags.push_back(parts[i].etag);
  }
  if (can_.md5_etags) expected.etag = multipart_etag(etags).value_or("");
  // An upload that was begun with a checksum is completed with it, whether or not the whole is
  // checked.
  return complete_and_prove(*place_, can_, spec_, id_, named, expected, crc64_, stop);
}

void S3Upload::abandon() noexcept { abort_quietly(*place_, spec_.key, id_); }

}  // namespace dray
