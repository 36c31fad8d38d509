#include "dray/store/s3_complete.h"

#include "dray/base/error.h"
#include "dray/base/failpoint.h"
#include "dray/base/log.h"
#include "dray/http/headers.h"
#include "dray/store/multipart_etag.h"

namespace dray {

namespace {

/// True when it is what these parts make. `etag` is what the service answered to Complete; without
/// one (Ceph RGW 16 states none, and answers get lost) it follows from the parts' where those are
/// MD5s.
bool made_of(const s3::ObjectInfo& there, const std::vector<s3::PartInfo>& parts,
             const std::string& etag) {
  if (!etag.empty()) return there.etag == etag;
  std::vector<std::string> etags;
  for (const auto& part : parts) etags.push_back(part.etag);
  return multipart_etag(etags) == http::bare_etag(there.etag);
}

/// Looks at the object that was just made. `etag` is what the service answered to Complete, if it
/// did.
StoredObject prove(S3Place& place, const S3Capabilities& can, const ObjectSpec& spec,
                   const std::vector<s3::PartInfo>& parts, const ExpectedContent& expected,
                   const std::string& etag, const std::stop_token& stop) {
  const auto wrong = [&](Code code, std::string message) {
    return Error(code, std::move(message))
        .on("commit", place.uri(spec.key))
        .from(place.options().client.side)
        .hint("run the same command again");
  };
  const auto there = place.look(spec.key, stop);
  if (!there) throw wrong(Code::conflict, "someone else removed the object at once");
  const bool comparable = same_checksum(*there, expected) || !expected.composite.empty() ||
                          (can.md5_etags && !expected.etag.empty());
  // Encryption makes ETags opaque, so that another one is no proof of other content.
  const bool fits =
      comparable ? same_content(place, *there, expected, stop) : there->size == expected.size;
  if (fits) return place.describe(spec.key, *there);
  if (!made_of(*there, parts, etag))
    throw wrong(Code::conflict, "someone else wrote the object at the same time");
  // Wrong bytes do not keep a name.
  place.client().delete_object(place.full(spec.key), stop);
  throw wrong(Code::verification, "the service made another object than what was sent");
}

}  // namespace

void abort_quietly(S3Place& place, const std::string& key, const std::string& id) noexcept {
  try {
    place.client().abort_upload(place.full(key), id, {});
  } catch (...) {
    warn("could not abort the unfinished upload of {}: {}", place.uri(key), current_error().what());
  }
}

StoredObject complete_and_prove(S3Place& place, const S3Capabilities& can, const ObjectSpec& spec,
                                const std::string& id, const std::vector<s3::PartInfo>& parts,
                                const ExpectedContent& expected, bool send_checksums,
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
  options.name_checksums = send_checksums;
  if (send_checksums) options.checksum = expected.checksum;
  failpoint("s3.complete.before");
  std::string etag;
  try {
    etag = place.client().complete_upload(place.full(spec.key), id, parts, options, stop).etag;
  } catch (const Error& e) {
    const bool occupied = e.code() == Code::precondition || e.code() == Code::conflict;
    const bool gone = e.code() == Code::not_found;
    if (!occupied && !gone && e.retry() != Retry::ambiguous) throw;
    // It may have been done all the same.
    const auto there = occupied ? std::nullopt : place.look(spec.key, stop);
    if (there && made_of(*there, parts, "")) {
      abort_quietly(place, spec.key, id);
      return prove(place, can, spec, parts, expected, "", stop);
    }
    if (const auto same = settled()) return *same;
    if (gone)
      throw Error(e).hint(
          "the unfinished upload is gone; run the same command again to begin anew");
    // Not there: a lost request may be sent again; of two writers at once the other may have
    // failed.
    throw Error(e).transient();
  }
  failpoint("s3.complete.after");
  return prove(place, can, spec, parts, expected, etag, stop);
}

}  // namespace dray
