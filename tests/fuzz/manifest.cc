// A manifest: refused, or one that survives writing and reading unchanged.
#include "dray/model/manifest.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "dray/base/bytes.h"
#include "dray/base/error.h"

namespace {

/// The root digest cannot be guessed: puts the right one where the input has a manifest otherwise.
std::string with_root_digest(std::string_view text) {
  try {
    dray::Json json = dray::parse_json(text, "fuzz", {.bytes = 1 << 16, .depth = 32});
    std::vector<dray::ManifestFile> files;
    for (const auto& item : dray::get_array(json, "files", "fuzz")) {
      dray::ManifestFile file;
      file.path = dray::get_string(item, "path", "fuzz");
      file.size = dray::get_u64(item, "size", "fuzz");
      file.sha256 = dray::get_string(item, "sha256", "fuzz");
      files.push_back(file);
    }
    json["root_digest"] = dray::root_digest_of(files);
    return dray::dump_json(json);
  } catch (const dray::Error&) {
    return std::string(text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = with_root_digest(dray::as_text(std::as_bytes(std::span(data, size))));
  try {
    const auto manifest = dray::parse_manifest(text, "fuzz");
    const auto written = dray::to_json_text(manifest);
    const auto again = dray::parse_manifest(written, "again");
    if (!(again == manifest) || dray::to_json_text(again) != written) std::abort();
  } catch (const dray::Error& e) {
    if (e.code() != dray::Code::malformed) std::abort();
  }
  return 0;
}
