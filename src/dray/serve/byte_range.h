// The Range header of a request, as a server answers it (RFC 9110 section 14.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dray/base/bytes.h"

namespace dray {

struct RangeAnswer {
  int status = 200;  // 200 with the whole, 206 with `range`, 416 with nothing
  ByteRange range;   // always inside the content; of a 416 empty
};

/// `header`: the field's value if there is one. Several ranges, other units and malformed values
/// are answered with the whole, as the RFC allows.
RangeAnswer answer_range(const std::optional<std::string>& header, std::uint64_t size);

}  // namespace dray
