#include "dray/cli/location.h"

#include <filesystem>
#include <system_error>

#include "dray/base/error.h"
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

void require_folder(const Store& store) {
  constexpr std::string_view kFolder = "dir:";
  const std::string& uri = store.properties().uri;
  std::error_code unknown;  // what cannot be looked at fails where it is read
  if (!uri.starts_with(kFolder) || std::filesystem::exists(uri.substr(kFolder.size()), unknown) ||
      unknown)
    return;
  throw Error(Code::not_found, "there is no such folder")
      .on("look for a store in", uri)
      .from(Side::destination)
      .hint("check the path; `dray import` makes a store where there is none");
}

}  // namespace dray::cli
