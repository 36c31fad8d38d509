#include "dray/release/verify.h"

#include <fmt/format.h>

#include <map>

#include "dray/release/whole_crc.h"
#include "dray/store/layout.h"
#include "dray/transfer/digest_objects.h"

namespace dray {

namespace {

/// Objects below the prefix by path; problems of the listing itself are noted.
std::map<std::string, Listed> compare_listing(Store& store, const Manifest& manifest,
                                              const std::string& prefix, VerifyResult& result,
                                              const std::stop_token& stop) {
  std::map<std::string, Listed> there;
  for (Listed& object : store.list(prefix, stop)) {
    const std::string path = object.key.substr(prefix.size());
    if (manifest.find(path) == nullptr)
      result.problems.push_back({path, "not in the manifest"});
    else
      there[path] = std::move(object);
  }
  for (const ManifestFile& file : manifest.files) {
    const auto it = there.find(file.path);
    if (it == there.end()) {
      result.problems.push_back({file.path, "missing"});
    } else if (it->second.size != file.size) {
      result.problems.push_back(
          {file.path, fmt::format("{} bytes, the manifest says {}", it->second.size, file.size)});
      there.erase(it);
    }
  }
  return there;
}

void verify_quick(Store& store, const Manifest& manifest,
                  const std::map<std::string, Listed>& there, VerifyResult& result,
                  const std::stop_token& stop) {
  for (const auto& [path, object] : there) {
    const ManifestFile& file = *manifest.find(path);
    ++result.files;
    result.bytes += file.size;
    const auto stat = store.stat(object.key, stop);
    if (!stat)
      result.problems.push_back({path, "missing"});
    else if (stat->crc64 && !file.part_crc64.empty() && *stat->crc64 != whole_crc(file))
      result.problems.push_back(
          {path, fmt::format("the store's CRC64NVME is {:016x}, the manifest's {:016x}",
                             *stat->crc64, whole_crc(file))});
    else if (!stat->crc64 && !file.etag.empty() && stat->etag != file.etag)
      result.problems.push_back({path,
                                 "it was written again since (another ETag); a full verify tells "
                                 "whether its bytes are right"});
  }
}

}  // namespace

VerifyResult verify_release(Store& store, const Manifest& manifest, std::string_view place,
                            bool quick, const TransferOptions& options, Progress& progress,
                            const std::stop_token& stop) {
  VerifyResult result;
  const std::string prefix = release_prefix(manifest.name, manifest.version, place);
  progress.phase("verifying");
  const auto there = compare_listing(store, manifest, prefix, result, stop);
  if (quick) {
    verify_quick(store, manifest, there, result, stop);
    return result;
  }
  std::vector<ObjectToRead> objects;
  for (const auto& [path, object] : there)
    objects.push_back({path, object.key, object.etag, object.size, 0, ""});
  std::uint64_t bytes = 0;
  for (const auto& object : objects) bytes += object.size;
  progress.total(bytes, objects.size());
  for (const ObjectResult& found : digest_objects(store, objects, options, progress, stop)) {
    const ManifestFile& file = *manifest.find(found.key.substr(prefix.size()));
    ++result.files;
    result.bytes += found.size;
    if (found.sha256 != file.sha256)
      result.problems.push_back(
          {file.path, fmt::format("SHA-256 {}, the manifest says {}", found.sha256, file.sha256)});
  }
  return result;
}

}  // namespace dray
