#include "dray/release/verify.h"

#include <fmt/format.h>

#include <map>

#include "dray/base/parallel.h"
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

/// Blobs that hold the files once more; what is missing of them is noted.
std::vector<const ManifestLayer*> layers_there(Store& store, const Manifest& manifest,
                                               VerifyResult& result, const std::stop_token& stop) {
  std::vector<const ManifestLayer*> out;
  for (const ManifestLayer& layer : manifest.layers) {
    const auto stat = store.stat(layer.digest, stop);
    if (stat && stat->size == layer.size) {
      out.push_back(&layer);
      continue;
    }
    result.problems.push_back(
        {"layer " + layer.digest,
         stat ? fmt::format("{} bytes, the manifest says {}", stat->size, layer.size) : "missing"});
  }
  return out;
}

constexpr std::size_t kLooksAtOnce = 16;

/// What the store says of an object, against the manifest; "" if nothing speaks against it.
std::string problem_of(const ManifestFile& file, const std::optional<StoredObject>& stat) {
  if (!stat) return "missing";
  if (stat->crc64 && !file.part_crc64.empty()) {
    const std::uint64_t stated = whole_crc(file);
    if (*stat->crc64 == stated) return "";
    return fmt::format("the store's CRC64NVME is {:016x}, the manifest's {:016x}", *stat->crc64,
                       stated);
  }
  if (!file.etag.empty() && stat->etag != file.etag)
    return "it was written again since (another ETag); a full verify tells whether its bytes are "
           "right";
  return "";
}

void verify_quick(Store& store, const Manifest& manifest,
                  const std::map<std::string, Listed>& there, VerifyResult& result,
                  Progress& progress, const std::stop_token& stop) {
  struct Look {
    const ManifestFile* file;
    const std::string* key;
    std::string problem;
  };
  std::vector<Look> looks;
  for (const auto& [path, object] : there) looks.push_back({manifest.find(path), &object.key, ""});
  parallel_for(looks.size(), kLooksAtOnce, stop, [&](std::size_t i, const std::stop_token& token) {
    Look& look = looks[i];
    look.problem = problem_of(*look.file, store.stat(*look.key, token));
    progress.file_done(look.file->path, look.file->size);
  });
  for (Look& look : looks) {
    ++result.files;
    result.bytes += look.file->size;
    if (!look.problem.empty())
      result.problems.push_back({look.file->path, std::move(look.problem)});
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
  std::vector<ObjectToRead> objects;
  std::uint64_t bytes = 0;
  for (const auto& [path, object] : there) {
    objects.push_back({path, object.key, object.etag, object.size, 0, ""});
    bytes += object.size;
  }
  const auto layers = layers_there(store, manifest, result, stop);
  if (quick) {
    progress.begin("verifying", bytes, objects.size());
    verify_quick(store, manifest, there, result, progress, stop);
    return result;
  }
  for (const ManifestLayer* layer : layers) {
    objects.push_back(
        {"layer of " + layer->files.front().path, layer->digest, "", layer->size, 0, ""});
    bytes += layer->size;
  }
  progress.begin("verifying", bytes, objects.size());
  for (const ObjectResult& found : digest_objects(store, objects, options, progress, stop)) {
    if (found.key.starts_with("sha256:")) {
      result.bytes += found.size;
      if ("sha256:" + found.sha256 != found.key)
        result.problems.push_back(
            {"layer " + found.key, fmt::format("SHA-256 of its bytes is {}", found.sha256)});
      continue;
    }
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
