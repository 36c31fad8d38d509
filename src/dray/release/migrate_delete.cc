// What is left at the old place of an entry that was moved.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/failpoint.h"
#include "dray/oci/reference.h"
#include "dray/release/migrate.h"
#include "dray/release/remove.h"
#include "dray/release/verify.h"
#include "dray/store/oci_store.h"
#include "dray/store/store_sources.h"
#include "dray/transfer/digest_objects.h"

namespace dray {

namespace {

/// As `dray rm` without --grace.
constexpr std::chrono::hours kGrace{7 * 24};

DeletedSource left(std::string why) { return {false, std::move(why)}; }

class SourceDeletion {
 public:
  SourceDeletion(const MigrateRequest& request, const MigrateItem& item,
                 const std::vector<RegisteredVersion>& entries, Progress& progress,
                 const std::stop_token& stop)
      : request_(request),
        item_(item),
        entries_(entries),
        progress_(progress),
        stop_(stop),
        uri_(readable_uri(item.origin, request.rules.from)) {}

  DeletedSource run() {
    if (auto why = still_used(); !why.empty()) return left(why);
    if (auto why = read_copy(); !why.empty()) return left(why);
    source_ = request_.open_source(uri_);
    try {
      snapshot_ = source_->snapshot(stop_);
    } catch (const Error& error) {
      if (error.code() != Code::not_found) throw;
      return left("it is gone already");
    }
    const auto* release = dynamic_cast<const ReleaseSource*>(source_.get());
    if (release != nullptr && release->manifest() != nullptr) return remove_release_of(*release);
    if (release != nullptr && snapshot_.origin.kind == "oci")
      return remove_image(dynamic_cast<OciStore&>(release->store()));
    if (snapshot_.origin.kind == "s3") return remove_objects();
    return left("a folder that dray did not make: remove it by hand");
  }

 private:
  /// The registry as it is now: this entry must say the new place, and no other one the old.
  std::string still_used() const {
    if (overlaps(item_.target) || item_.origin == item_.target) return "it is the new place";
    bool moved = false;
    for (const RegisteredVersion& entry : entries_) {
      for (const RegisteredArtifact& artifact : entry.artifacts) {
        if (artifact.id == item_.artifact_id) {
          moved = artifact.uri == item_.target;
          if (!moved) return fmt::format("the entry says {}", artifact.uri);
        } else if (overlaps(artifact.uri)) {
          return fmt::format("{}:{} uses it too", entry.name, entry.version);
        }
      }
    }
    return moved ? "" : "the entry is not there any more";
  }

  /// Also a part of it, or what it is a part of; for images any digest of the repository, since it
  /// may be the same image.
  bool overlaps(const std::string& other) const {
    if (!uri_.starts_with("oci") && !uri_.starts_with("docker"))
      return lies_below(other, uri_) || lies_below(uri_, other);
    if (lies_below(other, uri_)) return true;
    oci::Reference repository = oci::parse_reference(uri_);
    repository.tag = repository.digest = "";
    return lies_below(other, repository.text()) && other.find("@sha256:") != std::string::npos;
  }

  std::string read_copy() {
    const auto store = request_.open_store(item_.store);
    auto found = find_manifest(*store, item_.name, item_.release_version, stop_);
    if (!found) return "the destination does not hold the release";
    const auto checked = verify_release(*store, *found, request_.rules.place, true,
                                        request_.transfer, progress_, stop_);
    if (!checked.problems.empty())
      return fmt::format("the copy is damaged: {}: {}", checked.problems.front().path,
                         checked.problems.front().what);
    copy_ = *std::move(found);
    return "";
  }

  DeletedSource remove_release_of(const ReleaseSource& source) {
    const Manifest& release = *source.manifest();
    if (release.root_digest != copy_.root_digest) return left("it holds other content now");
    ChangeRequest change{
        .store = &source.store(), .name = release.name, .version = release.version};
    change.note = request_.note;
    change.note.reason = fmt::format("migrated to {}", item_.target);
    change.place = request_.rules.place;
    try {
      remove_release(change, kGrace, stop_);
    } catch (const Error& error) {
      if (error.code() != Code::conflict && error.code() != Code::unsupported) throw;
      return left(error.what());
    }
    failpoint("migrate.deleted");
    return {true, fmt::format("{}:{} of {}; its files go with `dray gc` after the time of grace",
                              release.name, release.version, source.store_uri())};
  }

  DeletedSource remove_image(OciStore& store) {
    if (snapshot_.origin.commit != copy_.origin.commit)
      return left("it is another image than the one that was copied");
    const oci::Reference reference = oci::parse_reference(uri_);
    try {
      if (auto why = store.remove_image(reference.tag, reference.digest, stop_); !why.empty())
        return left(why);
    } catch (const Error& error) {
      if (error.code() != Code::unsupported) throw;
      return left(error.what());
    }
    failpoint("migrate.deleted");
    return {true, reference.text()};
  }

  /// The objects whose bytes are those of the copy: read once more, since a prefix states nothing
  /// that would prove it. Others that lie there are somebody else's.
  DeletedSource remove_objects() {
    std::vector<FileEntry> files;
    for (const FileEntry& file : snapshot_.files) {
      const ManifestFile* known = copy_.find(file.path);
      if (known != nullptr && known->size == file.size) files.push_back(file);
    }
    std::uint64_t bytes = 0;
    for (const FileEntry& file : files) bytes += file.size;
    progress_.begin("reading what is to be deleted", bytes, files.size());
    const auto found = digest_files(*source_, files, request_.transfer, progress_, stop_);
    const auto store = request_.open_prefix(uri_);
    std::size_t deleted = 0;
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (found[i].sha256 != copy_.find(files[i].path)->sha256) continue;
      store->remove(files[i].path, stop_);
      ++deleted;
      failpoint("migrate.deleted");
    }
    const std::size_t others = snapshot_.files.size() - deleted;
    if (deleted == 0) return left("nothing there is what was copied");
    return {true, fmt::format("{} objects{}", deleted,
                              others == 0 ? "" : fmt::format("; {} others are left", others))};
  }

  const MigrateRequest& request_;
  const MigrateItem& item_;
  const std::vector<RegisteredVersion>& entries_;
  Progress& progress_;
  const std::stop_token& stop_;
  const std::string uri_;
  Manifest copy_;
  std::unique_ptr<Source> source_;
  Snapshot snapshot_;
};

}  // namespace

DeletedSource delete_source(const MigrateRequest& request, const MigrateItem& item,
                            const std::vector<RegisteredVersion>& entries, Progress& progress,
                            const std::stop_token& stop) {
  return SourceDeletion(request, item, entries, progress, stop).run();
}

}  // namespace dray
