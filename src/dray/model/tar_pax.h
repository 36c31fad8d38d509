// The records of a PAX extended header (POSIX.1-2001, pax, "pax Extended Header").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dray/base/bytes.h"

namespace dray::tar {

/// What the records say about the next member, as far as it is used here.
struct PaxRecords {
  std::optional<std::string> path, link_path;  // not empty, without NUL, at most kLongestName bytes
  std::optional<std::uint64_t> size;           // at most kLargestSize
  bool sparse = false;
  std::string sparse_name;  // the member's true name where it is sparse, "" if not stated
};

/// Reads "LENGTH KEY=VALUE\n" records that fill `body` exactly. Unknown keys are ignored, of equal
/// keys the last one counts, an empty value takes an earlier one back. Code::malformed otherwise,
/// with `offset`, the body's place in the archive `what`.
PaxRecords parse_pax(Bytes body, std::uint64_t offset, std::string_view what);

}  // namespace dray::tar
