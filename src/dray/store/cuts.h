// How an object is cut so that much of it can be copied inside the store.
#pragma once

#include <cstdint>
#include <vector>

#include "dray/store/store.h"

namespace dray {

/// For ObjectSpec::part_ends: the ends of parts of an object whose pieces end at `piece_ends`
/// (ascending; the last is its size). Parts are whole pieces and as small as is sensible, since one
/// changed byte costs the whole part. Empty where the limits do not allow parts of such pieces, or
/// there would be one part only.
std::vector<std::uint64_t> cut_at_pieces(const std::vector<std::uint64_t>& piece_ends,
                                         const CutLimits& limits);

}  // namespace dray
