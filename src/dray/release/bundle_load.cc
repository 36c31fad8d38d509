#include "dray/release/bundle_load.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/failpoint.h"
#include "dray/store/bundle_layout.h"
#include "dray/store/catalog.h"
#include "dray/store/stored_source.h"

namespace dray {

namespace {

/// A file that the store has.
struct Held {
  std::shared_ptr<Source> source;
  FileEntry entry;
};

/// Looks for the store's files by SHA-256, in likely places first.
class HeldFiles {
 public:
  HeldFiles(Store& store, std::string_view place, std::set<std::string> wanted)
      : store_(store), place_(place), wanted_(std::move(wanted)) {}

  bool complete() const { return found_.size() == wanted_.size(); }
  const std::map<std::string, Held>& found() const { return found_; }

  void look_at(const std::string& name, const std::string& version, const std::stop_token& stop) {
    if (complete() || !seen_.emplace(name, version).second) return;
    const auto manifest = find_manifest(store_, name, version, stop);
    if (!manifest) return;
    std::shared_ptr<Source> source;
    for (const ManifestFile& file : manifest->files) {
      if (!wanted_.contains(file.sha256) || found_.contains(file.sha256)) continue;
      if (!source) source = std::make_shared<StoredSource>(store_, *manifest, place_);
      found_[file.sha256] = {source, {file.path, file.size, {file.sha256, ""}}};
    }
  }

  void look_everywhere(const std::stop_token& stop) {
    if (complete()) return;
    for (const std::string& name : list_models(store_, stop))
      for (const std::string& version : list_versions(store_, name, stop))
        look_at(name, version, stop);
  }

 private:
  Store& store_;
  const std::string place_;
  const std::set<std::string> wanted_;
  std::map<std::string, Held> found_;
  std::set<std::pair<std::string, std::string>> seen_;
};

std::set<std::string> left_out(const BundleRecord& record) {
  std::set<std::string> wanted;
  for (const BundleRelease& release : record.releases)
    for (const BundleFile& file : release.files)
      if (!file.in.empty()) wanted.insert(file.sha256);
  return wanted;
}

[[noreturn]] void refuse_absent(const OpenBundle& bundle, const std::map<std::string, Held>& found,
                                const std::string& store) {
  std::map<std::string, std::pair<std::size_t, std::uint64_t>> absent;  // by bundle
  for (const BundleRelease& release : bundle.record.releases)
    for (const BundleFile& file : release.files)
      if (!file.in.empty() && !found.contains(file.sha256)) {
        ++absent[file.in].first;
        absent[file.in].second += file.size;
      }
  std::vector<std::string> needs, names;
  for (const EarlierBundle& earlier : bundle.record.needs) {
    if (!absent.contains(earlier.id)) continue;
    const auto& count = absent.at(earlier.id);
    needs.push_back(fmt::format("{} of {} in the bundle {} ({}; {})",
                                count.first == 1 ? "1 file" : fmt::format("{} files", count.first),
                                human_size(count.second),
                                earlier.name.empty() ? "without a name" : earlier.name,
                                fmt::join(earlier.releases, ", "), earlier.id));
    names.push_back(earlier.name);
  }
  throw Error(Code::not_found,
              fmt::format("it builds on what {} does not have: {}", store, fmt::join(needs, "; ")))
      .on("load", bundle.name)
      .from(Side::destination)
      .hint(fmt::format("load {} first; nothing was changed", fmt::join(names, ", then ")));
}

/// Of the record's text, which is outside data: nullopt if it names no version.
std::optional<Reference> exact_version(const std::string& text) {
  try {
    Reference reference = parse_reference(text);
    if (!reference.version.empty()) return reference;
  } catch (const Error&) {
    // Only where to look first.
  }
  return std::nullopt;
}

/// Says where the files are that are left out.
void find_left_out(BundleLoad& load, const ImportRequest& wanted, const std::stop_token& stop) {
  const BundleRecord& record = load.bundle->record;
  HeldFiles held(*wanted.store, wanted.place, left_out(record));
  // One that is loaded already has them itself.
  for (const BundleRelease& release : record.releases)
    held.look_at(release.name, release.version, stop);
  for (const EarlierBundle& earlier : record.needs)
    for (const std::string& text : earlier.releases) {
      const auto likely = exact_version(text);
      if (likely) held.look_at(likely->name, likely->version, stop);
    }
  held.look_everywhere(stop);
  if (!held.complete()) refuse_absent(*load.bundle, held.found(), wanted.store->properties().uri);
  for (const BundleRelease& release : record.releases)
    for (const BundleFile& file : release.files) {
      if (file.in.empty()) continue;
      const Held& has = held.found().at(file.sha256);
      if (has.entry.size != file.size)
        throw Error(Code::verification, "the store has a file of this SHA-256 with another size")
            .on("load", file.path)
            .from(Side::destination);
      load.files->lend(release, file, has.source, has.entry);
    }
}

std::unique_ptr<ReleaseSource> source_of(const BundleLoad& load, std::size_t index) {
  const Manifest& manifest = load.bundle->manifests[index];
  return std::make_unique<ReleaseSource>(
      load.files, fmt::format("{}:{} in {}", manifest.name, manifest.version, load.bundle->name),
      [&manifest](Store&, const std::stop_token&) { return std::optional(manifest); },
      kDefaultTemplate, nullptr);
}

ReleaseLoad plan_release(const BundleLoad& load, std::size_t index, const ImportRequest& wanted,
                         Progress& progress, const std::stop_token& stop) {
  ReleaseLoad release;
  release.source = source_of(load, index);
  release.request = wanted;
  release.request.source = release.source.get();
  release.request.name = load.bundle->manifests[index].name;
  release.request.version = load.bundle->manifests[index].version;
  release.plan = plan_import(release.request, progress, stop);
  // A bundle is a way, not a place: the release comes from the store that the bundle was made from.
  release.plan.copied_store = load.bundle->record.store;
  return release;
}

}  // namespace

BundleLoad plan_bundle_load(const OpenBundle& bundle, const ImportRequest& wanted,
                            Progress& progress, const std::stop_token& stop) {
  BundleLoad load;
  load.bundle = &bundle;
  load.files = std::make_shared<BundleStore>(bundle.name, bundle.record, bundle.tree);
  find_left_out(load, wanted, stop);
  for (std::size_t i = 0; i < bundle.manifests.size(); ++i)
    load.releases.push_back(plan_release(load, i, wanted, progress, stop));
  return load;
}

ImportResult run_bundle_load(BundleLoad& load, std::size_t index, Progress& progress,
                             const std::stop_token& stop) {
  ReleaseLoad& release = load.releases.at(index);
  // What came before it may be copied inside the store now.
  if (index > 0)
    release = plan_release(load, index, ImportRequest(release.request), progress, stop);
  try {
    ImportResult result = run_import(release.request, release.plan, progress, stop);
    failpoint("bundle.release-loaded");
    return result;
  } catch (const Error& error) {
    if (error.code() != Code::verification) throw;
    const BundleRelease& from = load.bundle->record.releases[index];
    const auto damaged = damaged_volumes(*load.bundle, bundle_prefix(from) + error.object(), stop);
    if (damaged.empty()) throw;
    throw Error(Code::verification, fmt::format("{}", fmt::join(damaged, "; ")))
        .on("load", load.bundle->name)
        .from(Side::source)
        .hint("bring it over again; then the same command goes on where it stopped")
        .because(error);
  }
}

}  // namespace dray
