#include "dray/release/publish.h"

#include <fmt/format.h>

#include "dray/base/error.h"
#include "dray/store/layout.h"

namespace dray {

void check_prefix(Store& store, const Manifest& manifest, std::string_view place,
                  const std::stop_token& stop) {
  const std::string prefix = release_prefix(manifest.name, manifest.version, place);
  const auto refuse = [&](const std::string& what) {
    throw Error(Code::conflict, what)
        .on("publish", manifest.name + ":" + manifest.version)
        .from(Side::destination)
        .hint("something else writes below " + prefix + "; the release was not published");
  };
  if (store.properties().blobs)
    return;  // they have no names that others could write: seal() looked
  std::size_t found = 0;
  for (const Listed& object : store.list(prefix, stop)) {
    const ManifestFile* file = manifest.find(object.key.substr(prefix.size()));
    if (file == nullptr) refuse(object.key + " does not belong to the release");
    if (file->size != object.size)
      refuse(fmt::format("{} has {} bytes, {} were written", object.key, object.size, file->size));
    ++found;
  }
  if (found != manifest.files.size())
    refuse(fmt::format("{} of {} files are there", found, manifest.files.size()));
}

}  // namespace dray
