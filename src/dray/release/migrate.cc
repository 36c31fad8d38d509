#include "dray/release/migrate.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/failpoint.h"
#include "dray/release/import.h"
#include "dray/release/verify.h"
#include "dray/store/store_sources.h"

namespace dray {

namespace {

constexpr const char* kNotServable = "not-servable";

/// An import of one item: everything that lies there, under the names that the registry has.
class ItemImport {
 public:
  ItemImport(const MigrateRequest& request, const MigrateItem& item)
      : source_(request.open_source(readable_uri(item.origin, request.rules.from))),
        store_(request.open_store(item.store)) {
    import_.source = source_.get();
    import_.store = store_.get();
    import_.name = item.name;
    import_.version = item.release_version;
    import_.any_origin = true;
    import_.selection.all_files = true;
    import_.allows = request.allows;
    import_.allows.emplace_back(kNotServable);
    import_.place = request.rules.place;
    import_.transfer = request.transfer;
  }

  ImportPlan plan(Progress& progress, const std::stop_token& stop) {
    ImportPlan plan = plan_import(import_, progress, stop);
    // What is registered is what people use: whether dray would have taken it is no question here.
    const bool was_allowed = plan.copied && std::ranges::count(plan.copied->allows, kNotServable);
    if (plan.choice.problems.empty() && !was_allowed) std::erase(plan.allows, kNotServable);
    return plan;
  }

  ImportResult run(const ImportPlan& plan, Progress& progress, const std::stop_token& stop) {
    return run_import(import_, plan, progress, stop);
  }

  Store& store() { return *store_; }
  /// The release that is copied and its store; nullptr where dray did not make it.
  const ReleaseSource* release() const {
    const auto* source = dynamic_cast<const ReleaseSource*>(source_.get());
    return source != nullptr && source->manifest() != nullptr ? source : nullptr;
  }

 private:
  std::unique_ptr<Source> source_;
  std::shared_ptr<Store> store_;
  ImportRequest import_;
};

std::uint64_t bytes_of(const ImportPlan& plan) {
  std::uint64_t bytes = 0;
  for (const PlannedFile& file : plan.files) bytes += file.entry.size;
  return bytes;
}

/// Also of a release that was there before: it may have been damaged since.
void check_copy(Store& store, const Manifest& manifest, const MigrateRequest& request,
                Progress& progress, const std::stop_token& stop) {
  const VerifyResult found =
      verify_release(store, manifest, request.rules.place, true, request.transfer, progress, stop);
  if (found.problems.empty()) return;
  const FileProblem& first = found.problems.front();
  throw Error(Code::verification, fmt::format("{}: {}", first.path, first.what))
      .on("check the copy of", manifest.name + ":" + manifest.version)
      .from(Side::destination)
      .hint("the entry was left alone; look at it with `dray verify`");
}

/// An alias that points to this version in the store it comes from, where the destination never had
/// one of that name.
void take_aliases_along(const ReleaseSource& source, Store& store, const Manifest& copy,
                        const MoveNote& note, const std::stop_token& stop) {
  const Manifest& release = *source.manifest();
  for (const AliasMove& alias : list_aliases(source.store(), release.name, stop)) {
    if (alias.version != release.version || find_alias(store, copy.name, alias.alias, stop))
      continue;
    MoveNote why = note;
    why.reason = fmt::format("migrated from {}", source.store_uri());
    move_alias(store, copy.name, alias.alias, copy.version, why, stop);
  }
}

std::map<std::string, std::string> properties_of(const Manifest& manifest) {
  return {{"root_digest", manifest.root_digest},
          {"size_bytes", std::to_string(manifest.total_bytes())},
          {"file_count", std::to_string(manifest.files.size())}};
}

/// "model-data/llama/1.0.0" of "s3://bucket/model-data/llama/1.0.0/".
std::string path_in_bucket(std::string_view uri) {
  const auto slash = uri.find('/', uri.find("://") + 3);
  std::string path(slash == std::string_view::npos ? "" : uri.substr(slash + 1));
  while (path.ends_with('/')) path.pop_back();
  return path;
}

ArtifactMove move_of(const MigrateRequest& request, const MigrateItem& item) {
  ArtifactMove move{.version_id = item.version_id,
                    .artifact_id = item.artifact_id,
                    .from = item.uri,
                    .to = item.target,
                    .actor = request.note.actor};
  if (!request.storage_key.empty() && item.target.starts_with("s3://")) {
    move.storage_key = request.storage_key;
    move.storage_path = path_in_bucket(item.target);
  }
  return move;
}

}  // namespace

void survey(const MigrateRequest& request, MigrateItem& item, Progress& progress,
            const std::stop_token& stop) {
  if (item.action != MigrateAction::copy) return;
  const ImportPlan plan = ItemImport(request, item).plan(progress, stop);
  item.bytes = bytes_of(plan);
  if (plan.existing) item.action = MigrateAction::point;
}

Migrated migrate_version(const MigrateRequest& request, const MigrateItem& item, Progress& progress,
                         const std::stop_token& stop) {
  Migrated out;
  if (item.action == MigrateAction::done) {
    const auto store = request.open_store(item.store);
    const auto copy = find_manifest(*store, item.name, item.release_version, stop);
    if (!copy)
      throw Error(Code::not_found, "the entry says the new place, and no release is there")
          .on("migrate", item.text())
          .from(Side::destination)
          .hint("`dray migrate --rollback` points it back");
    out.root_digest = copy->root_digest;
    out.bytes = copy->total_bytes();
    // A run that ended between the artifact and its version.
    ArtifactMove move = move_of(request, item);
    move.properties = properties_of(*copy);
    out.changed = request.registry->move(move, stop);
    return out;
  }
  ItemImport import(request, item);
  progress.phase("looking at the source");
  const ImportPlan plan = import.plan(progress, stop);
  const ImportResult result = import.run(plan, progress, stop);
  failpoint("migrate.copied");
  progress.phase("checking the copy");
  check_copy(import.store(), result.manifest, request, progress, stop);
  if (const ReleaseSource* release = import.release())
    take_aliases_along(*release, import.store(), result.manifest, request.note, stop);
  progress.phase("moving the entry");
  ArtifactMove move = move_of(request, item);
  move.to = result.uri;
  move.properties = properties_of(result.manifest);
  failpoint("migrate.checked");
  out.changed = request.registry->move(move, stop);
  failpoint("migrate.moved");
  out.root_digest = result.manifest.root_digest;
  out.bytes = result.manifest.total_bytes();
  out.bytes_copied = result.changed ? out.bytes : 0;
  return out;
}

Migrated roll_back_version(const MigrateRequest& request, const MigrateItem& item,
                           const std::stop_token& stop) {
  Migrated out;
  if (!request.missing_ok) {
    try {
      request.open_source(readable_uri(item.target, request.rules.from))->snapshot(stop);
    } catch (const Error& error) {
      if (error.code() == Code::cancelled) throw;
      throw Error(Code::not_found, "what the entry said before cannot be read")
          .on("roll back", item.text())
          .from(Side::source)
          .because(error)
          .hint(
              "`dray migrate` the other way copies it back; --missing-ok points the entry back all "
              "the same");
    }
  }
  ArtifactMove move{.version_id = item.version_id,
                    .artifact_id = item.artifact_id,
                    .from = item.uri,
                    .to = item.target,
                    .actor = request.note.actor,
                    .undo = true,
                    .storage_key = item.storage_key,
                    .storage_path = item.storage_path};
  out.changed = request.registry->move(move, stop);
  return out;
}

}  // namespace dray
