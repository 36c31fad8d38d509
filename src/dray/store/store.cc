#include "dray/store/store.h"

#include <algorithm>
#include <cassert>

namespace dray {

ByteRange PartLayout::part(std::uint64_t index) const {
  assert(part_size > 0 && index < count());
  const std::uint64_t offset = index * part_size;
  return {offset, std::min(part_size, object_size - offset)};
}

std::string StoredObject::meta(std::string_view name) const {
  for (const auto& [field, value] : metadata)
    if (field == name) return value;
  return {};
}

}  // namespace dray
