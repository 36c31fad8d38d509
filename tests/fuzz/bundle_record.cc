// The record of a bundle: refused, or one that survives writing and reading unchanged.
#include "dray/model/bundle_record.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/model/manifest.h"

namespace {

/// Digests cannot be guessed: puts the right ones where the input has a record otherwise.
std::string with_digests(std::string_view text) {
  try {
    dray::Json json = dray::parse_json(text, "fuzz", {.bytes = 1 << 16, .depth = 16});
    std::vector<dray::BundleRelease> releases;
    for (auto& item : json.at("releases")) {
      dray::BundleRelease release;
      std::vector<dray::ManifestFile> files;
      for (const auto& from : dray::get_array(item, "files", "fuzz")) {
        dray::BundleFile file{dray::get_string(from, "path", "fuzz"),
                              dray::get_u64(from, "size", "fuzz"),
                              dray::get_string(from, "sha256", "fuzz"),
                              dray::find_string(from, "in", "fuzz").value_or("")};
        files.push_back({.path = file.path, .size = file.size, .sha256 = file.sha256});
        release.files.push_back(std::move(file));
      }
      release.name = dray::get_string(item, "name", "fuzz");
      release.version = dray::get_string(item, "version", "fuzz");
      const auto& manifest = dray::get_object(item, "manifest", "fuzz");
      release.manifest_size = dray::get_u64(manifest, "size", "fuzz");
      release.manifest_sha256 = dray::get_string(manifest, "sha256", "fuzz");
      release.root_digest = dray::root_digest_of(files);
      item["root_digest"] = release.root_digest;
      releases.push_back(std::move(release));
    }
    json["id"] = dray::bundle_id(releases);
    return dray::dump_json(json);
  } catch (const std::exception&) {
    return std::string(text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = with_digests(dray::as_text(std::as_bytes(std::span(data, size))));
  try {
    const auto record = dray::parse_bundle_record(text, "fuzz");
    const auto written = dray::to_json_text(record);
    const auto again = dray::parse_bundle_record(written, "again");
    if (!(again == record) || dray::to_json_text(again) != written) std::abort();
    for (std::size_t i = 0; record.volumes && i < record.volumes->list.size(); ++i)
      if (record.volumes->split == record.volumes->suffix(i).empty()) std::abort();
  } catch (const dray::Error& e) {
    if (e.code() != dray::Code::malformed && e.code() != dray::Code::unsupported) std::abort();
  }
  return 0;
}
