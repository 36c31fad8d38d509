#include "dray/transfer/hasher.h"

#include <fmt/format.h>

#include <algorithm>

#include "dray/base/error.h"

namespace dray {

InputHasher::InputHasher(const TransferPlan& plan, const ObjectPlan& object)
    : plan_(plan), object_(object), separate_unit_(!object.of_one_unit()) {
  if (object.digests != ObjectPlan::Digests::none && object.plain())
    pieces_.emplace(object.spec.size, object.digests == ObjectPlan::Digests::tensors);
  begin_units();
}

void InputHasher::begin_units() {
  for (; segment_ < object_.segments.size(); ++segment_, in_segment_ = 0) {
    const Segment& segment = object_.segments[segment_];
    if (const auto* source = std::get_if<SourceSegment>(&segment);
        source != nullptr && source->range.offset + in_segment_ == 0)
      begin_unit(source->unit);
    if (in_segment_ < segment_length(segment)) return;
  }
}

void InputHasher::begin_unit(std::size_t unit) {
  const FileEntry& entry = plan_.units[unit];
  unit_ = unit;
  unit_sha_.reset();
  unit_git_.reset();
  if (separate_unit_) unit_sha_.emplace();
  if (!entry.digests.git_sha1.empty()) unit_git_.emplace(entry.size);
  if (entry.size == 0) end_unit();
}

void InputHasher::feed(Bytes bytes) {
  while (!bytes.empty()) {
    const Segment& segment = object_.segments.at(segment_);
    const std::uint64_t left = segment_length(segment) - in_segment_;
    const Bytes now =
        bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(left, bytes.size())));
    const auto* source = std::get_if<SourceSegment>(&segment);
    if (source != nullptr && unit_sha_)
      Sha256::update_both(whole_, *unit_sha_, now);
    else
      whole_.update(now);
    if (pieces_) pieces_->feed(now);
    offset_ += now.size();
    in_segment_ += now.size();
    if (source != nullptr) {
      if (unit_git_) unit_git_->update(now);
      if (source->range.offset + in_segment_ == plan_.units[source->unit].size) end_unit();
    }
    bytes = bytes.subspan(now.size());
    if (in_segment_ == segment_length(segment)) {
      ++segment_;
      in_segment_ = 0;
      begin_units();
    }
  }
}

void InputHasher::end_unit() {
  const FileEntry& unit = plan_.units[*unit_];
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
  const std::string found = separate_unit_ ? unit_sha_->hex() : whole_.hex();
  if (!unit.digests.sha256.empty()) check("SHA-256", unit.digests.sha256, found);
  if (const auto made = expected_.find(*unit_); made != expected_.end() && made->second != found)
    throw Error(
        Code::verification,
        fmt::format("SHA-256 of what the store gives is {}, it was given {}", found, made->second))
        .on("read back", unit.path)
        .from(Side::destination)
        .hint("the store or something on the way to it changes bytes; nothing was published");
  if (!unit.digests.git_sha1.empty()) check("git SHA-1", unit.digests.git_sha1, unit_git_->hex());
  if (separate_unit_) unit_digests_.push_back(unit_sha_->hex());
  unit_.reset();
}

std::string InputHasher::sha256() const { return whole_.hex(); }

std::vector<RangeDigest> InputHasher::ranges() const {
  return pieces_ ? pieces_->digests() : std::vector<RangeDigest>();
}

std::optional<SavedHash> InputHasher::save() const {
  if (offset_ == 0 || (unit_ && unit_git_)) return std::nullopt;
  return SavedHash{offset_, whole_.save(), unit_ && separate_unit_ ? unit_sha_->save() : "",
                   unit_digests_};
}

/// Where an offset of the input lies.
struct InputHasher::Place {
  std::size_t segment = 0;
  std::uint64_t in_segment = 0;
  std::optional<std::size_t> unit;    // that it lies within: begun before and not complete there
  std::uint64_t in_unit = 0;          // bytes of it before
  std::vector<std::size_t> complete;  // units that end before
};

InputHasher::Place InputHasher::place_of(std::uint64_t offset) const {
  Place place;
  place.in_segment = offset;
  const auto pass = [&](const Segment& segment, std::uint64_t bytes) {
    const auto* source = std::get_if<SourceSegment>(&segment);
    if (source == nullptr) return;
    const bool empty = plan_.units[source->unit].size == 0;
    if (empty) place.complete.push_back(source->unit);
    if (source->range.offset + bytes == 0) return;
    place.in_unit = source->range.offset + bytes;
    place.unit.reset();
    if (place.in_unit < plan_.units[source->unit].size)
      place.unit = source->unit;
    else if (bytes == source->range.length)
      place.complete.push_back(source->unit);
  };
  for (; place.segment < object_.segments.size(); ++place.segment) {
    const Segment& segment = object_.segments[place.segment];
    const std::uint64_t length = segment_length(segment);
    pass(segment, std::min(length, place.in_segment));
    if (place.in_segment < length) break;
    place.in_segment -= length;
  }
  return place;
}

bool InputHasher::restore(const SavedHash& saved) {
  if (saved.offset == 0 || saved.offset > object_.input_size()) return false;
  auto whole = Sha256::restore(saved.sha256);
  if (!whole || whole->bytes_hashed() != saved.offset) return false;
  const Place place = place_of(saved.offset);
  std::optional<Sha256> unit;
  if (place.unit) {
    if (!plan_.units[*place.unit].digests.git_sha1.empty()) return false;
    if (separate_unit_) {
      unit = Sha256::restore(saved.unit);
      if (!unit || unit->bytes_hashed() != place.in_unit) return false;
    }
  }
  if (!separate_unit_ && !place.unit) {
    const FileEntry& file = plan_.units[std::get<SourceSegment>(object_.segments[0]).unit];
    if (!file.digests.git_sha1.empty()) return false;
    if (!file.digests.sha256.empty() && whole->hex() != file.digests.sha256) return false;
  }
  if (separate_unit_ && saved.units.size() != place.complete.size()) return false;
  whole_ = *whole;
  unit_digests_ = saved.units;
  pieces_.reset();
  offset_ = saved.offset;
  segment_ = place.segment;
  in_segment_ = place.in_segment;
  unit_ = place.unit;
  unit_sha_ = unit;
  unit_git_.reset();
  begin_units();
  return true;
}

}  // namespace dray
