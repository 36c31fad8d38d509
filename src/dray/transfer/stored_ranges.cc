#include "dray/transfer/stored_ranges.h"

#include <algorithm>
#include <cassert>

namespace dray {

namespace {

/// Equal pieces may lie in many places (tensors of zeros): not all are tried.
constexpr int kMostPlaces = 16;

/// How many bytes from ranges[at] on are what the pieces say; nullopt if they are not.
std::optional<std::uint64_t> length_there(const std::vector<RangeDigest>& ranges, std::size_t at,
                                          const std::vector<RangeDigest>& pieces) {
  if (pieces.size() > ranges.size() - at) return std::nullopt;
  const std::uint64_t begin = ranges[at].range.offset;
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const RangeDigest& there = ranges[at + i];
    if (there.range.offset != begin + length || there.range.length != pieces[i].range.length ||
        there.sha256 != pieces[i].sha256)
      return std::nullopt;
    length += there.range.length;
  }
  return length;
}

}  // namespace

void StoredRanges::add(const StoredObject& object, std::vector<RangeDigest> ranges) {
  for (std::size_t i = 0; i < ranges.size(); ++i)
    places_.emplace(ranges[i].sha256, std::pair(objects_.size(), i));
  objects_.push_back({object, std::move(ranges)});
}

const StoredObject* StoredRanges::largest() const {
  const auto it = std::max_element(
      objects_.begin(), objects_.end(),
      [](const Object& a, const Object& b) { return a.object.size < b.object.size; });
  return it == objects_.end() ? nullptr : &it->object;
}

std::optional<StoredRange> StoredRanges::find(const std::vector<RangeDigest>& pieces) const {
  if (pieces.empty()) return std::nullopt;
  auto [place, end] = places_.equal_range(pieces.front().sha256);
  for (int tries = 0; place != end && tries < kMostPlaces; ++place, ++tries) {
    const Object& object = objects_[place->second.first];
    const std::size_t at = place->second.second;
    if (const auto length = length_there(object.ranges, at, pieces))
      return StoredRange{
          object.object.key, object.object.etag, {object.ranges[at].range.offset, *length}};
  }
  return std::nullopt;
}

std::vector<RangeDigest> digest_pieces(Bytes bytes, std::uint64_t offset,
                                       const std::vector<std::uint64_t>& ends) {
  std::vector<RangeDigest> out;
  std::uint64_t at = offset;
  auto end = std::upper_bound(ends.begin(), ends.end(), offset);
  for (; !bytes.empty(); ++end) {
    assert(end != ends.end() && *end - at <= bytes.size());
    const auto n = static_cast<std::size_t>(*end - at);
    Sha256 sha;
    sha.update(bytes.first(n));
    out.push_back({{at, n}, sha.digest()});
    bytes = bytes.subspan(n);
    at = *end;
  }
  return out;
}

}  // namespace dray
