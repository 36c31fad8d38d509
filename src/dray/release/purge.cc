// Files of removed versions after their time of grace.
#include <fmt/format.h>

#include "dray/base/error.h"
#include "dray/base/failpoint.h"
#include "dray/base/log.h"
#include "dray/release/remove.h"
#include "dray/release/whole_crc.h"

namespace dray {

namespace {

VersionChange next_change(const VersionChange& change, VersionState state) {
  VersionChange out;
  out.name = change.name;
  out.version = change.version;
  out.state = state;
  out.actor = "dray gc";
  return out;
}

bool is_the_files(const StoredObject& object, const ManifestFile& file) {
  if (object.size != file.size) return false;
  return !object.crc64 || file.part_crc64.empty() || *object.crc64 == whole_crc(file);
}

/// Bytes that were, or would be, deleted.
std::uint64_t delete_files(Store& store, const VersionChange& removal, bool yes,
                           const std::stop_token& stop) {
  const Manifest manifest = parse_manifest(removal.manifest, "manifest of a removed release");
  const std::string prefix = release_prefix(removal.name, removal.version, removal.place);
  std::uint64_t bytes = 0;
  for (const ManifestFile& file : manifest.files) {
    const auto object = store.stat(prefix + file.path, stop);
    if (!object) continue;
    if (!is_the_files(*object, file)) {
      warn("{} is left alone: it is not what {}:{} held", object->key, removal.name,
           removal.version);
      continue;
    }
    bytes += object->size;
    if (yes) store.remove(object->key, stop);
    failpoint("version.file-purged");
  }
  return bytes;
}

bool is_due(const VersionChange& change, UnixTime now) {
  if (change.state == VersionState::purging) return true;
  if (change.state != VersionState::removed || now < change.purge_after) return false;
  // This machine's clock may be wrong; the store's own has to agree.
  return change.age.count() >= change.purge_after - change.time;
}

void purge(Store& store, const VersionChange& change, bool yes, std::vector<Leftover>& out,
           const std::stop_token& stop) {
  const std::string release = fmt::format("{}:{}", change.name, change.version);
  if (find_manifest(store, change.name, change.version, stop)) {
    warn("{} is left alone: its removal was recorded, but its manifest is there", release);
    return;
  }
  const VersionChange removal = find_removal(store, change.name, change.version, stop);
  VersionChange last = change;
  // From here on a restore is refused.
  if (yes && change.state == VersionState::removed)
    last =
        append_version_change(store, next_change(change, VersionState::purging), change.seq, stop);
  out.push_back({release,
                 fmt::format("files of a release that {} removed at {}", removal.actor,
                             rfc3339(removal.time)),
                 delete_files(store, removal, yes, stop)});
  if (yes) store.state().remove(ranges_key(change.name, change.version), stop);
  if (yes) append_version_change(store, next_change(change, VersionState::purged), last.seq, stop);
}

}  // namespace

std::vector<Leftover> purge_removed(Store& store, bool yes, UnixTime now,
                                    const std::stop_token& stop) {
  std::vector<Leftover> out;
  for (const auto& name : models_with_changes(store, stop)) {
    for (const auto& [version, change] : version_changes(store, name, stop)) {
      if (!is_due(change, now)) continue;
      try {
        purge(store, change, yes, out, stop);
      } catch (const Error& error) {
        // Restored or purged by someone else meanwhile, or damaged: not ours to delete.
        if (error.code() != Code::conflict && error.code() != Code::malformed) throw;
        warn("{}:{} is left alone: {}", name, version, error.what());
      }
    }
  }
  return out;
}

}  // namespace dray
