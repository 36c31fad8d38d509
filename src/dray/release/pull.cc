#include "dray/release/pull.h"

#include <fmt/format.h>

#include <map>

#include "dray/base/error.h"
#include "dray/store/dir_store.h"
#include "dray/store/layout.h"
#include "dray/store/stored_source.h"
#include "dray/transfer/digest_objects.h"
#include "dray/transfer/transfer.h"

namespace dray {

namespace {

namespace fs = std::filesystem;

/// Files of the manifest that the folder has already, by hashing those of the right size; others of
/// the same path go.
std::vector<ObjectResult> keep_what_is_right(DirStore& folder, const Manifest& manifest,
                                             const TransferOptions& options, Progress& progress,
                                             const std::stop_token& stop) {
  std::vector<ObjectToRead> same_size;
  std::vector<std::string> stale;
  for (const Listed& object : folder.list("", stop)) {
    const ManifestFile* file = manifest.find(object.key);
    if (file == nullptr) continue;
    if (file->size == object.size)
      same_size.push_back({object.key, object.key, object.etag, object.size, 0, ""});
    else
      stale.push_back(object.key);
  }
  progress.phase("checking what is there");
  Progress unseen;
  std::vector<ObjectResult> right;
  for (ObjectResult& found : digest_objects(folder, same_size, options, unseen, stop)) {
    if (found.sha256 == manifest.find(found.key)->sha256)
      right.push_back(std::move(found));
    else
      stale.push_back(found.key);
  }
  for (const auto& key : stale) folder.remove(key, stop);
  return right;
}

TransferPlan plan_of(const Manifest& manifest) {
  TransferPlan plan;
  for (const ManifestFile& file : manifest.files) {
    ObjectPlan object;
    object.spec.key = file.path;
    object.spec.size = file.size;
    object.spec.sha256 = file.sha256;
    object.label = file.path;
    object.segments = {SourceSegment{plan.units.size(), {0, file.size}}};
    plan.units.push_back({file.path, file.size, {file.sha256, ""}});
    plan.objects.push_back(std::move(object));
  }
  return plan;
}

/// The transfer's own folder leaves nothing behind once it is empty.
void tidy(const fs::path& folder) {
  const fs::path state = folder / ".dray";
  std::error_code ignored;  // what is not empty stays
  std::vector<fs::path> folders;
  for (fs::recursive_directory_iterator it(state, ignored), end; it != end; it.increment(ignored))
    if (it->is_directory(ignored)) folders.push_back(it->path());
  for (auto it = folders.rbegin(); it != folders.rend(); ++it) fs::remove(*it, ignored);
  fs::remove(state, ignored);
}

}  // namespace

PullResult pull_release(Store& store, const Manifest& manifest, std::string_view place,
                        const fs::path& folder, const TransferOptions& options, Progress& progress,
                        const std::stop_token& stop) {
  const fs::path root = fs::absolute(folder);
  if (fs::exists(root / ".dray" / "releases"))
    throw Error(Code::usage,
                "this folder is a store of releases, not a place for one model's files")
        .on("pull into", root.string())
        .hint("choose another folder");
  DirStore target(root);
  target.preflight(stop);
  PullResult result;
  TransferRequest request;
  StoredSource source(store, manifest, place);
  request.source = &source;
  request.store = &target;
  request.progress = &progress;
  request.options = options;
  request.plan = plan_of(manifest);
  request.name = manifest.name;
  request.version = manifest.version;
  request.source_text = source.name();
  request.exclusive_prefix = false;
  request.present = keep_what_is_right(target, manifest, options, progress, stop);
  progress.total(manifest.total_bytes(), manifest.files.size());
  for (const auto& kept : request.present) {
    ++result.kept_files;
    result.kept_bytes += kept.size;
  }
  result.fetched_files = manifest.files.size() - result.kept_files;
  result.fetched_bytes = manifest.total_bytes() - result.kept_bytes;
  Transfer transfer(std::move(request), stop);
  progress.phase("transferring");
  transfer.run(stop);
  transfer.finish(stop);
  tidy(root);
  progress.phase("done");
  return result;
}

}  // namespace dray
