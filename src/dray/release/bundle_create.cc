#include "dray/release/bundle_create.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/failpoint.h"
#include "dray/base/file.h"
#include "dray/base/log.h"
#include "dray/release/bundle_archive.h"
#include "dray/store/bundle_layout.h"
#include "dray/store/bundle_volumes.h"
#include "dray/store/dir_store.h"
#include "dray/store/volume_store.h"
#include "dray/transfer/transfer.h"

namespace dray {

namespace {

namespace fs = std::filesystem;

/// What files below a folder take on the disk.
std::uint64_t bytes_on_disk(const fs::path& folder) {
  constexpr std::uint64_t kBlock = 512;  // of st_blocks
  std::uint64_t bytes = 0;
  std::error_code unknown;  // what cannot be looked at is not counted
  for (fs::recursive_directory_iterator it(folder, unknown), end; !unknown && it != end;
       it.increment(unknown)) {
    struct stat info{};
    if (::lstat(it->path().c_str(), &info) == 0)
      bytes += static_cast<std::uint64_t>(info.st_blocks) * kBlock;
  }
  return bytes;
}

/// `folder` has what an earlier run wrote: media are often just large enough.
void check_room(Store& store, const fs::path& folder, std::uint64_t bytes) {
  const auto room = store.free_bytes();
  const std::uint64_t written = bytes_on_disk(folder);
  const std::uint64_t needed = bytes > written ? bytes - written : 0;
  if (!room || *room >= needed) return;
  throw Error(Code::storage,
              fmt::format("{} are needed, {} are free", human_size(needed), human_size(*room)))
      .on("write to", store.properties().uri)
      .from(Side::destination)
      .hint("make room, write elsewhere with -o, or leave out what is there already with --since");
}

[[noreturn]] void other_bundle(const std::string& where) {
  throw Error(Code::conflict, "another bundle is there")
      .on("write to", where)
      .from(Side::destination)
      .hint("remove it if it is not needed, or choose another name with -o");
}

/// True if the record that lies there is of this bundle.
bool is_finished(const std::optional<std::string>& text, const BundlePlan& plan,
                 const std::string& where) {
  if (!text) return false;
  if (parse_bundle_record(*text, where).id != plan.record.id) other_bundle(where);
  return true;
}

// ---- as a folder

/// A release that the bundle does not name would travel along unproved.
void check_no_others(DirStore& folder, const BundlePlan& plan, const std::stop_token& stop) {
  std::set<std::string> ours;
  for (const auto& release : plan.record.releases) ours.insert(bundle_manifest_key(release));
  for (const std::string prefix : {".dray/releases/", ".dray/bundle/releases/"})
    for (const StateItem& item : folder.state().list(prefix, stop))
      if (!ours.contains(item.key))
        throw Error(Code::conflict, fmt::format("the folder holds another release, {}", item.key))
            .on("write to", folder.properties().uri)
            .from(Side::destination)
            .hint("choose an empty folder with -o");
}

TransferPlan plan_of(const BundleRelease& release) {
  TransferPlan plan;
  for (const BundleFile& file : release.files) {
    if (!file.in.empty()) continue;
    ObjectPlan object;
    object.spec.key = bundle_prefix(release) + file.path;
    object.spec.size = file.size;
    object.spec.sha256 = file.sha256;
    object.label = file.path;
    object.segments = {SourceSegment{plan.units.size(), {0, file.size}}};
    plan.units.push_back({object.spec.key, file.size, {file.sha256, ""}});
    plan.objects.push_back(std::move(object));
  }
  return plan;
}

/// Writes the release's manifest, after which it is complete. False if it was.
bool is_there(DirStore& folder, const BundleRelease& release, const std::string& text,
              const std::stop_token& stop) {
  const auto there = folder.state().get(bundle_manifest_key(release), stop);
  if (!there) return false;
  if (*there == text) return true;
  other_bundle(folder.properties().uri);
}

void write_release(const BundleRequest& request, Source& contents, DirStore& folder,
                   const BundleRelease& release, const std::string& text, Progress& progress,
                   const std::stop_token& stop) {
  TransferRequest transfer_request;
  transfer_request.source = &contents;
  transfer_request.store = &folder;
  transfer_request.progress = &progress;
  transfer_request.options = request.transfer;
  transfer_request.plan = plan_of(release);
  transfer_request.name = release.name;
  transfer_request.version = release.version;
  transfer_request.source_text = contents.name();
  transfer_request.prefix = bundle_prefix(release);
  const std::size_t files = transfer_request.plan.objects.size();
  Transfer transfer(std::move(transfer_request), stop);
  if (!transfer.published() && files > 0) {
    progress.begin(fmt::format("writing {}", release.reference()), release.bytes_here(), files);
    transfer.run(stop);
  }
  failpoint("bundle.before-manifest");
  folder.state().create_if_absent(bundle_manifest_key(release), text, stop);
  if (!is_there(folder, release, text, stop)) other_bundle(folder.properties().uri);
  failpoint("bundle.after-manifest");
  transfer.finish(stop);
}

/// All that runs of this command left: what they were about is complete.
void tidy(DirStore& folder, const fs::path& root, const std::stop_token& stop) {
  for (const StateItem& item : folder.state().list(".dray/transfers/", stop))
    folder.state().remove(item.key, stop);
  std::error_code ignored;  // what cannot be removed stays, and counts as nothing
  fs::remove_all(root / ".dray" / "tmp", ignored);
}

}  // namespace

BundleResult create_bundle_folder(const BundleRequest& request, const BundlePlan& plan,
                                  const fs::path& folder, Progress& progress,
                                  const std::stop_token& stop) {
  const fs::path root = fs::absolute(folder);
  DirStore store(root);
  BundleResult result{.record = plan.record};
  const std::string key(kBundleRecordKey);
  if (is_finished(store.state().get(key, stop), plan, root.string())) {
    tidy(store, root, stop);
    return result;
  }
  check_no_others(store, plan, stop);
  store.preflight(stop);
  check_room(store, root, plan.record.bytes_here());
  BundleContents contents(*request.store, plan, request.place);
  for (std::size_t i = 0; i < plan.record.releases.size(); ++i) {
    const BundleRelease& release = plan.record.releases[i];
    if (is_there(store, release, plan.texts[i], stop)) continue;
    write_release(request, contents, store, release, plan.texts[i], progress, stop);
    result.fetched += progress.view().fetched;
    result.reused += progress.view().reused;
  }
  tidy(store, root, stop);
  failpoint("bundle.before-record");
  if (!store.state().create_if_absent(key, to_json_text(plan.record), stop))
    is_finished(store.state().get(key, stop), plan, root.string());
  failpoint("bundle.after-record");
  // The record's own temporary file is gone; its folder goes too.
  tidy(store, root, stop);
  result.changed = true;
  progress.phase("done");
  return result;
}

// ---- as an archive

namespace {

/// Before anything is read: the names are free, but for what an earlier run of this has named.
void check_names_free(const VolumeStore& store, const fs::path& stem, std::uint64_t split) {
  if (store.finished()) return;
  BundleVolumes one;
  one.split = split != 0;
  one.list.resize(1);
  const fs::path first = stem.string() + one.suffix(0);
  std::error_code unknown;  // what cannot be looked at fails where it is written
  if (fs::exists(first, unknown))
    throw Error(Code::conflict, "something else has this name")
        .on("write", first.string())
        .from(Side::destination)
        .hint("remove it, or choose another name with -o");
}

void check_volume_count(std::uint64_t size, std::uint64_t split) {
  const std::uint64_t count = split == 0 ? 1 : (size + split - 1) / split;
  if (count > kMostVolumes)
    throw Error(Code::usage,
                fmt::format("that would be {} volumes, more than {}", count, kMostVolumes))
        .hint("choose larger ones with --split");
}

TransferRequest archive_request(const BundleRequest& request, Source& contents, VolumeStore& store,
                                TransferPlan plan, Progress& progress) {
  TransferRequest out;
  out.source = &contents;
  out.store = &store;
  out.progress = &progress;
  out.options = request.transfer;
  out.plan = std::move(plan);
  // Whatever was begun under this name before is taken up or dropped.
  out.name = "bundle";
  out.version = "archive";
  out.source_text = contents.name();
  out.exclusive_prefix = false;
  return out;
}

}  // namespace

BundleResult create_bundle_archive(const BundleRequest& request, const BundlePlan& plan,
                                   const fs::path& stem, std::uint64_t split, Progress& progress,
                                   const std::stop_token& stop) {
  const fs::path path = fs::absolute(stem).lexically_normal();
  VolumeStore store(path, split, plan.record.id);
  BundleResult result{.record = plan.record};
  const fs::path index = index_path(path);
  const auto text = read_file(index);
  if (is_finished(text, plan, index.string())) {
    store.clean_up();
    result.record = parse_bundle_record(*text, index.string());
    return result;
  }
  check_names_free(store, path, split);
  TransferPlan archive = plan_archive(plan);
  check_volume_count(archive.objects[0].spec.size, split);
  store.preflight(stop);
  BundleContents contents(*request.store, plan, request.place);
  std::optional<Transfer> transfer;
  if (!store.finished()) {
    const std::uint64_t size = archive.objects[0].spec.size;
    transfer.emplace(archive_request(request, contents, store, std::move(archive), progress), stop);
    check_room(store, partial_folder(path), size);
    progress.begin("writing", size, 1);
    transfer->run(stop);
    result.fetched = progress.view().fetched;
    result.reused = progress.view().reused;
  }
  progress.phase("finishing");
  result.record.volumes = store.finished();
  if (!result.record.volumes)
    throw Error(Code::storage, "the list of finished volumes is gone").on("write", path.string());
  store.publish(result.record, stop);
  if (transfer) transfer->finish(stop);
  store.clean_up();
  result.changed = true;
  progress.phase("done");
  return result;
}

}  // namespace dray
