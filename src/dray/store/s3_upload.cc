#include "dray/store/s3_upload.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/crc.h"
#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/base/time.h"
#include "dray/http/headers.h"
#include "dray/store/multipart_etag.h"
#include "dray/store/s3_complete.h"

namespace dray {

namespace {

int number_of(std::uint64_t index) { return static_cast<int>(index) + 1; }

/// What an upload of this object is begun with. Where parts are copied, the service must be known
/// to compute their checksums rightly.
std::optional<s3::ChecksumKind> checksum_for(const S3Capabilities& can, const ObjectSpec& spec) {
  const auto kind = can.part_checksum();
  if (!spec.part_ends.empty() && !can.range_copies.checksums) return std::nullopt;
  return kind;
}

}  // namespace

S3Upload::S3Upload(std::shared_ptr<S3Place> place, ObjectSpec spec, std::string id,
                   S3Capabilities can, std::optional<s3::ChecksumKind> checksum)
    : place_(std::move(place)),
      spec_(std::move(spec)),
      layout_(layout_for(spec_, place_->layout(spec_.size))),
      id_(std::move(id)),
      can_(can),
      checksum_(checksum) {}

std::unique_ptr<S3Upload> S3Upload::start(std::shared_ptr<S3Place> place, const ObjectSpec& spec,
                                          const std::stop_token& stop) {
  const S3Capabilities can = place->capabilities(stop);
  const auto checksum = checksum_for(can, spec);
  s3::CreateOptions options;
  options.content_type = spec.content_type;
  options.metadata = place->metadata(spec, spec.sha256);
  options.checksum = checksum;
  options.composite = checksum && can.of(*checksum).composite;
  options.headers = place->options().headers;
  // Throws before anything is begun.
  static_cast<void>(layout_for(spec, place->layout(spec.size)));
  std::string id = place->client().create_upload(place->full(spec.key), options, stop);
  return std::unique_ptr<S3Upload>(
      new S3Upload(std::move(place), spec, std::move(id), can, checksum));
}

std::unique_ptr<S3Upload> S3Upload::take_up(std::shared_ptr<S3Place> place, const ObjectSpec& spec,
                                            const SavedUpload& saved, const std::stop_token& stop) {
  const PartLayout layout = layout_for(spec, place->layout(spec.size));
  if (saved.id.empty() || saved.part_size != layout.part_size || saved.cut != layout.cut())
    return nullptr;
  const auto listed = place->client().list_parts(place->full(spec.key), saved.id, stop);
  if (!listed) return nullptr;
  const S3Capabilities can = place->capabilities(stop);
  // Whether the upload was begun with a checksum shows in its parts only.
  auto checksum = checksum_for(can, spec);
  std::map<int, const s3::PartInfo*> held;
  for (const auto& part : *listed) {
    // SeaweedFS lists a part that was put again with all its contents; which one counts is not
    // said.
    const auto [at, first] = held.try_emplace(part.number, &part);
    if (!first && (at->second == nullptr || at->second->etag != part.etag)) at->second = nullptr;
    if (checksum && (!part.checksum || part.checksum->kind != *checksum)) checksum.reset();
  }
  std::unique_ptr<S3Upload> out(new S3Upload(place, spec, saved.id, can, checksum));
  for (const auto& part : saved.parts) {
    if (part.index >= layout.count() || part.size != layout.part(part.index).length) continue;
    const auto found = held.find(number_of(part.index));
    if (found == held.end() || found->second == nullptr || part.etag.empty()) continue;
    const s3::PartInfo& info = *found->second;
    const s3::Checksum right{s3::ChecksumKind::crc64nvme, part.crc64};
    if (info.etag != part.etag || info.size != part.size || contradict(info.checksum, right))
      continue;
    out->present_.push_back(part);
    std::optional<std::uint64_t> crc32c;
    if (info.checksum && info.checksum->kind == s3::ChecksumKind::crc32c)
      crc32c = info.checksum->value;
    // It may have been copied: what the upload was not begun with is a mere statement.
    out->remember(part.index, crc32c, layout.ends.empty() || checksum.has_value());
  }
  // A part beyond the layout would break Complete on servers that want every part named.
  const bool strays = !held.empty() && held.rbegin()->first > number_of(layout.count() - 1);
  if (out->present_.empty() || strays) {
    out->abandon();
    return nullptr;
  }
  return out;
}

void S3Upload::remember(std::uint64_t index, std::optional<std::uint64_t> crc32c, bool proved) {
  const std::lock_guard lock(mutex_);
  if (crc32c) crc32c_[index] = *crc32c;
  if (proved)
    unproved_.erase(index);
  else
    unproved_.insert(index);
}

s3::Checksum S3Upload::checksum_of(const PutPart& part) {
  if (*checksum_ == s3::ChecksumKind::crc64nvme) return {*checksum_, part.crc64};
  const std::lock_guard lock(mutex_);
  const auto found = crc32c_.find(part.index);
  if (found == crc32c_.end())
    throw Error(Code::internal, fmt::format("part {} was not put", part.index))
        .on("commit", place_->uri(spec_.key));
  return {*checksum_, found->second};
}

void S3Upload::check_part(std::uint64_t index, std::uint64_t size) const {
  if (index >= layout_.count() || size != layout_.part(index).length)
    throw Error(Code::internal, fmt::format("part {} has {} bytes", index, size))
        .on("put", place_->uri(spec_.key));
}

PutPart S3Upload::put(std::uint64_t index, Bytes bytes, std::uint64_t crc64,
                      const std::stop_token& stop) {
  check_part(index, bytes.size());
  s3::PartOptions options;
  std::optional<std::uint64_t> crc32c;
  if (checksum_ == s3::ChecksumKind::crc64nvme) options.checksum = {*checksum_, crc64};
  if (checksum_ == s3::ChecksumKind::crc32c) {
    options.checksum = s3::checksum_of(*checksum_, bytes);
    crc32c = options.checksum->value;
  }
  options.content_md5 =
      place_->options().content_md5 || can_.needs_md5 || (!checksum_ && can_.checks_md5);
  const auto part = place_->client().upload_part(place_->full(spec_.key), id_, number_of(index),
                                                 bytes, options, stop);
  remember(index, crc32c, true);
  return {index, bytes.size(), crc64, part.etag};
}

std::optional<bool> S3Upload::proved(const s3::PartInfo& part, Bytes bytes,
                                     std::uint64_t crc64) const {
  const s3::Checksum right{s3::ChecksumKind::crc64nvme, crc64};
  if (part.checksum == right) return true;
  // A wrong one means wrong bytes only where checksums of copies are known to be right.
  if (can_.range_copies.checksums && contradict(part.checksum, right)) return false;
  if (!bytes.empty() && can_.md5_etags) return http::bare_etag(part.etag) == to_hex(md5(bytes));
  return std::nullopt;
}

std::optional<PutPart> S3Upload::put_copy(std::uint64_t index, const StoredRange& from, Bytes bytes,
                                          std::uint64_t crc64, const std::stop_token& stop) {
  check_part(index, from.range.length);
  if (!can_.range_copies.works || layout_.ends.empty()) return std::nullopt;
  const auto source_is_there = [&] {
    return can_.range_copies.if_match || place_->holds(from.key, from.etag, stop);
  };
  if (!source_is_there()) return std::nullopt;
  s3::PartInfo part;
  try {
    part = place_->client().upload_part_copy(
        place_->full(spec_.key), id_, number_of(index),
        {.source_key = place_->full(from.key), .source_etag = from.etag, .range = from.range},
        stop);
  } catch (const Error& e) {
    // Bytes can be sent instead, whatever the service has against copying these.
    if (e.http_status() < 400 || e.retryable() || e.server_code() == "NoSuchUpload") throw;
    debug("{}: bytes are sent that could not be copied: {}", place_->uri(spec_.key), e.what());
    return std::nullopt;
  }
  const auto right = proved(part, bytes, crc64);
  if (right != true && (right == false || !source_is_there())) {
    warn("{}: a copied part came out wrong and is sent", place_->uri(spec_.key));
    return std::nullopt;
  }
  remember(index, std::nullopt, right.has_value());
  return PutPart{index, from.range.length, crc64, part.etag};
}

StoredObject S3Upload::commit(const std::vector<PutPart>& parts, const std::string& sha256,
                              const std::stop_token& stop) {
  throw_if_stopped(stop);
  if (parts.size() != layout_.count())
    throw Error(Code::internal, fmt::format("{} parts named of {}", parts.size(), layout_.count()))
        .on("commit", place_->uri(spec_.key));
  ExpectedContent expected{spec_.size, sha256, 0, {}};
  std::vector<s3::PartInfo> named;
  std::vector<s3::Checksum> checksums;
  std::vector<std::string> etags;
  for (std::uint64_t i = 0; i < parts.size(); ++i) {
    if (parts[i].index != i || parts[i].size != layout_.part(i).length)
      throw Error(Code::internal, fmt::format("part {} is not in its place", i))
          .on("commit", place_->uri(spec_.key));
    expected.crc64 = crc64nvme_combine(*expected.crc64, parts[i].crc64, parts[i].size);
    named.push_back({number_of(i), parts[i].size, parts[i].etag, std::nullopt});
    etags.push_back(parts[i].etag);
    if (!checksum_) continue;
    named.back().checksum = checksum_of(parts[i]);
    expected.checksum = expected.checksum
                            ? combine(*expected.checksum, *named.back().checksum, parts[i].size)
                            : *named.back().checksum;
    checksums.push_back(*named.back().checksum);
  }
  if (checksum_ && can_.of(*checksum_).composite) {
    expected.composite = composite_checksum(checksums);
    expected.checksum.reset();
  }
  // The ETags of parts that nothing proves are a claim of the service.
  if (can_.md5_etags && unproved_.empty()) expected.etag = multipart_etag(etags).value_or("");
  // An upload that was begun with a checksum is completed with it, whether or not the whole is
  // checked.
  const StoredObject made =
      complete_and_prove(*place_, can_, spec_, id_, named, expected, checksum_.has_value(), stop);
  if (!made.crc64) read_back(made, parts, stop);
  return made;
}

void S3Upload::read_back(const StoredObject& made, const std::vector<PutPart>& parts,
                         const std::stop_token& stop) {
  Buffer buffer;
  for (const std::uint64_t index : unproved_) {
    const ByteRange range = layout_.part(index);
    std::uint64_t crc64 = 0;
    for (std::uint64_t at = range.offset; at < range.end();) {
      buffer.resize(static_cast<std::size_t>(std::min(range.end() - at, 8 * kMiB)));
      with_retry(place_->retry(), stop, [&] {
        place_->client().get_range(place_->full(made.key), made.etag, at, buffer, stop);
      });
      crc64 = crc64nvme(crc64, buffer);
      at += buffer.size();
    }
    if (crc64 == parts[index].crc64) continue;
    place_->client().delete_object(place_->full(made.key), stop);
    throw Error(Code::verification, "the service copied other bytes than it was asked to")
        .on("commit", place_->uri(spec_.key))
        .from(place_->options().client.side)
        .hint("run the same command again");
  }
}

void S3Upload::abandon() noexcept { abort_quietly(*place_, spec_.key, id_); }

}  // namespace dray
