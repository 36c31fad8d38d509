// Records of what became of versions, as anyone with access to the bucket may have written them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "dray/base/error.h"
#include "dray/store/version_log.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto change = dray::parse_version_change(text, "record");
    // What gc deletes by is below a place of this release, never among dray's own records.
    if (change.state == dray::VersionState::removed) {
      const auto manifest = dray::parse_manifest(change.manifest, "manifest");
      if (manifest.name != change.name || manifest.version != change.version) std::abort();
      if (change.place.starts_with(".dray")) std::abort();
    }
    const auto again = dray::parse_version_change(dray::version_change_text(change), "record");
    if (again.seq != change.seq || again.state != change.state || again.time != change.time ||
        again.reason != change.reason || again.manifest != change.manifest ||
        again.place != change.place)
      std::abort();
  } catch (const dray::Error&) {
  }
  return 0;
}
