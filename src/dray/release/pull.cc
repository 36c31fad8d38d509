#include "dray/release/pull.h"

#include <fmt/format.h>

#include <set>

#include "dray/base/error.h"
#include "dray/store/dir_store.h"
#include "dray/store/layout.h"
#include "dray/store/stored_source.h"
#include "dray/transfer/digest_objects.h"
#include "dray/transfer/transfer.h"

namespace dray {

namespace {

namespace fs = std::filesystem;

/// What the folder has of the manifest's files.
struct Present {
  std::vector<ObjectResult> right;
  std::set<std::string> stale;  // of other content: each is replaced when its new bytes are proved
};

/// Looks by size, then by hashing. What states no SHA-256 cannot be told to be right.
Present look(DirStore& folder, const Snapshot& wanted, const TransferOptions& options,
             Progress& progress, const std::stop_token& stop) {
  std::vector<ObjectToRead> same_size;
  Present present;
  for (const Listed& object : folder.list("", stop)) {
    const FileEntry* file = wanted.find(object.key);
    if (file == nullptr) continue;
    if (file->size == object.size && !file->digests.sha256.empty())
      same_size.push_back({object.key, object.key, object.etag, object.size, 0, ""});
    else
      present.stale.insert(object.key);
  }
  std::uint64_t bytes = 0;
  for (const auto& object : same_size) bytes += object.size;
  progress.begin("checking what is there", bytes, same_size.size());
  for (ObjectResult& found : digest_objects(folder, same_size, options, progress, stop)) {
    if (found.sha256 == wanted.find(found.key)->digests.sha256)
      present.right.push_back(std::move(found));
    else
      present.stale.insert(found.key);
  }
  return present;
}

TransferPlan plan_of(const Snapshot& wanted, const std::set<std::string>& stale) {
  TransferPlan plan;
  for (const FileEntry& file : wanted.files) {
    ObjectPlan object;
    object.spec.key = file.path;
    object.spec.size = file.size;
    object.spec.sha256 = file.digests.sha256;
    object.label = file.path;
    object.replaces = stale.contains(file.path);
    object.segments = {SourceSegment{plan.units.size(), {0, file.size}}};
    plan.units.push_back(file);
    plan.objects.push_back(std::move(object));
  }
  return plan;
}

/// Small temporary files of pulls that were killed. Whoever pulls into this folder now has a
/// journal there, or began after us.
void sweep(const fs::path& state, fs::file_time_type began) {
  std::error_code ignored;  // what cannot be removed stays
  for (const auto& journal : fs::recursive_directory_iterator(state / "transfers", ignored))
    if (!journal.is_directory(ignored)) return;
  for (const auto& file : fs::directory_iterator(state / "tmp", ignored))
    if (file.path().filename().string().starts_with("s-") &&
        fs::last_write_time(file.path(), ignored) < began)
      fs::remove(file.path(), ignored);
}

/// The transfer's own folder leaves nothing behind once it is empty.
void tidy(const fs::path& folder, fs::file_time_type began) {
  const fs::path state = folder / ".dray";
  sweep(state, began);
  std::error_code ignored;  // what is not empty stays
  std::vector<fs::path> folders;
  for (fs::recursive_directory_iterator it(state, ignored), end; it != end; it.increment(ignored))
    if (it->is_directory(ignored)) folders.push_back(it->path());
  for (auto it = folders.rbegin(); it != folders.rend(); ++it) fs::remove(*it, ignored);
  fs::remove(state, ignored);
}

}  // namespace

PullResult pull_files(Source& source, const Snapshot& wanted, const std::string& name,
                      const std::string& version, const fs::path& folder,
                      const TransferOptions& options, Progress& progress,
                      const std::stop_token& stop) {
  const auto began = fs::file_time_type::clock::now();
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
  request.source = &source;
  request.store = &target;
  request.progress = &progress;
  request.options = options;
  Present present = look(target, wanted, options, progress, stop);
  request.plan = plan_of(wanted, present.stale);
  request.name = name;
  request.version = version;
  request.source_text = source.name();
  request.exclusive_prefix = false;
  request.present = std::move(present.right);
  for (const auto& kept : request.present) {
    ++result.kept_files;
    result.kept_bytes += kept.size;
  }
  result.fetched_files = wanted.files.size() - result.kept_files;
  result.fetched_bytes = wanted.total_bytes() - result.kept_bytes;
  Transfer transfer(std::move(request), stop);
  progress.begin("transferring", wanted.total_bytes(), wanted.files.size());
  transfer.run(stop);
  transfer.finish(stop);
  tidy(root, began);
  progress.phase("done");
  return result;
}

PullResult pull_release(Store& store, const Manifest& manifest, std::string_view place,
                        const fs::path& folder, const TransferOptions& options, Progress& progress,
                        const std::stop_token& stop) {
  StoredSource source(store, manifest, place);
  Snapshot wanted = source.snapshot(stop);
  for (FileEntry& file : wanted.files) file.digests.git_sha1.clear();  // SHA-256 says more
  return pull_files(source, wanted, manifest.name, manifest.version, folder, options, progress,
                    stop);
}

}  // namespace dray
