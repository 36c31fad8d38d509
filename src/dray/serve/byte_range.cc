#include "dray/serve/byte_range.h"

#include <algorithm>
#include <string_view>

namespace dray {

RangeAnswer answer_range(const std::optional<std::string>& header, std::uint64_t size) {
  const RangeAnswer whole{.status = 200, .range = {0, size}};
  const RangeAnswer outside{.status = 416, .range = {}};
  constexpr std::string_view kUnit = "bytes=";
  if (!header || !header->starts_with(kUnit)) return whole;
  const auto spec = std::string_view(*header).substr(kUnit.size());
  const auto dash = spec.find('-');
  if (dash == std::string_view::npos || spec.find(',') != std::string_view::npos) return whole;
  const auto first = parse_u64(spec.substr(0, dash));
  const auto last = parse_u64(spec.substr(dash + 1));

  if (dash == 0) {  // the last so many bytes
    if (!last) return whole;
    const auto length = std::min(*last, size);
    if (length == 0) return outside;
    return {.status = 206, .range = {size - length, length}};
  }
  const bool open = dash + 1 == spec.size();
  if (!first || (!open && !last) || (last && *last < *first)) return whole;
  if (*first >= size) return outside;
  const auto end = last ? std::min(*last, size - 1) : size - 1;
  return {.status = 206, .range = {*first, end - *first + 1}};
}

}  // namespace dray
