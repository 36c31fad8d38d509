#include "dray/transfer/object_run.h"

#include <iterator>

namespace dray {

std::optional<SavedHash> ObjectRun::resume_point() {
  while (acknowledged < parts.size() && parts[acknowledged].stored) ++acknowledged;
  const std::uint64_t proved =
      acknowledged == parts.size() ? input_size : layout.part(acknowledged).offset;
  const auto behind = hash_states.upper_bound(proved);
  if (behind == hash_states.begin()) return std::nullopt;
  hash_states.erase(hash_states.begin(), std::prev(behind));
  return hash_states.begin()->second;
}

}  // namespace dray
