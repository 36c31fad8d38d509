#include "dray/base/transform.h"

#include <algorithm>
#include <cstring>

namespace dray {

void TransformOutput::write(Bytes bytes) {
  while (!bytes.empty()) {
    MutableBytes room = space();
    const std::size_t n = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), n);
    filled(n);
    bytes = bytes.subspan(n);
  }
}

}  // namespace dray
