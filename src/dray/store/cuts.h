// How an object is cut so that as much of it as possible is copied inside the store.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dray/store/store.h"

namespace dray {

/// Bytes of an object to be made that the store holds already: `from.range.length` from `offset`.
struct ReusableRange {
  std::uint64_t offset = 0;
  StoredRange from;
};

/// One part of the object.
struct CutPart {
  ByteRange range;                  // in the object to be made
  std::optional<StoredRange> from;  // of the same length; else its bytes are put
};

/// The parts of an object of `size` bytes, in order. `reusable` in any order, not overlapping.
/// Neighbours that continue each other in their source become one; what is too short to be a part
/// of its own is put, and a short run that must be put takes bytes from a neighbour. Where there
/// would be too many parts, less is copied.
std::vector<CutPart> cut_parts(std::uint64_t size, std::vector<ReusableRange> reusable,
                               const CutLimits& limits);

/// For ObjectSpec::part_ends.
std::vector<std::uint64_t> part_ends(const std::vector<CutPart>& parts);

}  // namespace dray
