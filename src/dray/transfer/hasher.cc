#include "dray/transfer/hasher.h"

#include <fmt/format.h>

#include <algorithm>

#include "dray/base/error.h"

namespace dray {

InputHasher::InputHasher(const TransferPlan& plan, const ObjectPlan& object)
    : plan_(plan), object_(object), separate_unit_(!object.plain()) {
  if (object.digests != ObjectPlan::Digests::none && !separate_unit_)
    pieces_.emplace(object.spec.size, object.digests == ObjectPlan::Digests::tensors);
  begin_units();
}

void InputHasher::begin_units() {
  for (; segment_ < object_.segments.size(); ++segment_, in_segment_ = 0) {
    const Segment& segment = object_.segments[segment_];
    if (const auto* source = std::get_if<SourceSegment>(&segment);
        source != nullptr && source->range.offset + in_segment_ == 0) {
      const FileEntry& unit = plan_.units[source->unit];
      unit_sha_.reset();
      unit_git_.reset();
      if (separate_unit_) unit_sha_.emplace();
      if (!unit.digests.git_sha1.empty()) unit_git_.emplace(unit.size);
      if (unit.size == 0) end_unit(unit);
    }
    if (in_segment_ < segment_length(segment)) return;
  }
}

void InputHasher::feed(Bytes bytes) {
  while (!bytes.empty()) {
    const Segment& segment = object_.segments.at(segment_);
    const std::uint64_t left = segment_length(segment) - in_segment_;
    const Bytes now =
        bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(left, bytes.size())));
    whole_.update(now);
    if (pieces_) pieces_->feed(now);
    if (const auto* source = std::get_if<SourceSegment>(&segment)) {
      if (unit_sha_) unit_sha_->update(now);
      if (unit_git_) unit_git_->update(now);
      offset_ += now.size();
      in_segment_ += now.size();
      const FileEntry& unit = plan_.units[source->unit];
      if (source->range.offset + in_segment_ == unit.size) end_unit(unit);
    } else {
      offset_ += now.size();
      in_segment_ += now.size();
    }
    bytes = bytes.subspan(now.size());
    if (in_segment_ == segment_length(segment)) {
      ++segment_;
      in_segment_ = 0;
      begin_units();
    }
  }
}

void InputHasher::end_unit(const FileEntry& unit) {
  const auto check = [&](const char* kind, const std::string& stated, const std::string& found) {
    if (stated == found) return;
    throw Error(
        Code::verification,
        fmt::format("{} of the received bytes is {}, its publisher states {}", kind, found, stated))
        .on("verify", unit.path)
        .from(Side::source)
        .hint(
            "the source or something on the way to it changes bytes; nothing wrong was published");
  };
  if (!unit.digests.sha256.empty())
    check("SHA-256", unit.digests.sha256, separate_unit_ ? unit_sha_->hex() : whole_.hex());
  if (!unit.digests.git_sha1.empty()) check("git SHA-1", unit.digests.git_sha1, unit_git_->hex());
}

std::string InputHasher::sha256() const { return whole_.hex(); }

std::vector<RangeDigest> InputHasher::ranges() const {
  return pieces_ ? pieces_->digests() : std::vector<RangeDigest>();
}

std::optional<SavedHash> InputHasher::save() const {
  if (separate_unit_ || unit_git_ || offset_ == 0) return std::nullopt;
  return SavedHash{offset_, whole_.save()};
}

bool InputHasher::restore(const SavedHash& saved) {
  if (separate_unit_ || unit_git_ || saved.offset > object_.input_size()) return false;
  auto sha = Sha256::restore(saved.sha256);
  if (!sha || sha->bytes_hashed() != saved.offset) return false;
  const FileEntry& unit = plan_.units[std::get<SourceSegment>(object_.segments[0]).unit];
  const bool complete = saved.offset == unit.size;
  if (complete && !unit.digests.sha256.empty() && sha->hex() != unit.digests.sha256) return false;
  whole_ = *sha;
  pieces_.reset();
  offset_ = saved.offset;
  segment_ = complete ? 1 : 0;
  in_segment_ = complete ? 0 : saved.offset;
  return true;
}

}  // namespace dray
