// What a store holds, found by the digests of its pieces.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dray/model/range_digests.h"
#include "dray/store/store.h"

namespace dray {

/// Objects of a store and the digests that are recorded of their pieces. Filled once, then read by
/// several threads.
class StoredRanges {
 public:
  /// `ranges` ascending, not overlapping.
  void add(const StoredObject& object, std::vector<RangeDigest> ranges);
  /// The largest of the objects; nullptr if there is none.
  const StoredObject* largest() const;
  /// Where bytes lie that are made of these pieces, one after another.
  std::optional<StoredRange> find(const std::vector<RangeDigest>& pieces) const;

 private:
  struct Object {
    StoredObject object;
    std::vector<RangeDigest> ranges;
  };
  std::vector<Object> objects_;
  std::multimap<std::array<std::byte, Sha256::kSize>, std::pair<std::size_t, std::size_t>>
      places_;  // index of object and range
};

/// Digests of the pieces that `bytes`, a range of an object from `offset` on, is made of. `ends`
/// are those of all pieces of the object; `bytes` must begin and end where pieces do.
std::vector<RangeDigest> digest_pieces(Bytes bytes, std::uint64_t offset,
                                       const std::vector<std::uint64_t>& ends);

}  // namespace dray
