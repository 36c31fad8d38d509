#include "dray/cli/location.h"

#include "dray/store/layout.h"

namespace dray::cli {

Location read_location(std::string location, const std::string& place) {
  Location found;
  while (location.ends_with('/')) location.pop_back();
  const std::string root = place_root(place);  // "model-data/" or ""
  const std::size_t scheme = location.find("://");
  const std::size_t from = scheme == std::string::npos ? 0 : scheme + 3;
  if (!root.empty()) {
    const std::string segment = "/" + root;
    if (const std::size_t at = (location + "/").rfind(segment);
        at != std::string::npos && at >= from) {
      found.release = release_of_key((location + "/").substr(at + 1) + "x", place);
      found.store = location.substr(0, at);
      return found;
    }
  }
  found.store = location;
  return found;
}

}  // namespace dray::cli
