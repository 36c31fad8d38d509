// Everything an import knows before byte 0: which files, under which name, and where each byte will
// come from.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/release/import.h"
#include "dray/release/import_objects.h"
#include "dray/release/same_content.h"
#include "dray/store/catalog.h"
#include "dray/store/store_sources.h"
#include "dray/transfer/digest_objects.h"

namespace dray {

namespace {

constexpr std::size_t kMostManifests = 200;  // looked through for known content

std::uint64_t stored_size(const ImportPlan& plan, const FileEntry& file) {
  return plan.compression ? plan.compression->size_of(file) : file.size;
}

bool allowed(const ImportPlan& plan, std::string_view rule) {
  return std::find(plan.allows.begin(), plan.allows.end(), rule) != plan.allows.end();
}

/// What is chosen by, and what the manifest will say of it. All of a stored release is taken unless
/// patterns choose: it has been chosen from its publisher's files before, and its copy is the same
/// release with the same record.
Selection take_over_record(const ImportRequest& request, ImportPlan& plan) {
  plan.selection = request.selection;
  plan.allows = request.allows;
  Selection chosen = request.selection;
  const auto* source = dynamic_cast<const ReleaseSource*>(request.source);
  if (source != nullptr && source->manifest() != nullptr) {
    const Manifest& release = plan.copied.emplace(*source->manifest());
    plan.copied_store = source->store_uri();
    plan.transforms = release.transforms;
    plan.allows.insert(plan.allows.end(), release.allows.begin(), release.allows.end());
    if (chosen.include.empty()) chosen.all_files = true;
    if (chosen.include.empty() && chosen.exclude.empty())
      plan.selection = {release.include, release.exclude, release.all_files};
  }
  std::sort(plan.allows.begin(), plan.allows.end());
  plan.allows.erase(std::unique(plan.allows.begin(), plan.allows.end()), plan.allows.end());
  return chosen;
}

void check_servable(const ImportPlan& plan) {
  if (plan.choice.problems.empty() || allowed(plan, "not-servable")) return;
  std::string all;
  for (const auto& problem : plan.choice.problems) all += (all.empty() ? "" : "; ") + problem;
  throw Error(Code::policy, "a server could not load this: " + all)
      .on("import", plan.snapshot.origin.uri)
      .from(Side::source)
      .hint(
          "choose other files with --include/--all-files, or take it as it is with --allow "
          "not-servable");
}

/// Local folders have no publisher, and what images do not state of a file they state of its layer;
/// everything else must state what its bytes are.
void check_digests(const ImportPlan& plan) {
  const std::string& kind = plan.snapshot.origin.kind;
  if (kind == "dir" || kind == "oci" || allowed(plan, "unverified-source")) return;
  for (const auto& file : plan.choice.files) {
    if (file.digests.any()) continue;
    throw Error(Code::policy, "the source states no digest, so its bytes cannot be verified")
        .on("import", file.path)
        .from(Side::source)
        .hint(
            "use a source that states digests, or accept and record it with --allow "
            "unverified-source");
  }
}

std::string name_for(const ImportRequest& request, const Snapshot& snapshot,
                     const std::stop_token& stop) {
  const std::string name = request.name.empty() ? snapshot.default_name : request.name;
  try {
    check_name(name, "model name");
  } catch (const Error& error) {
    throw Error(error).hint("choose another one with --name: " + error.hint());
  }
  for (const auto& other : list_models(*request.store, stop)) {
    if (other == name || fold_name(other) != fold_name(name)) continue;
    throw Error(
        Code::conflict,
        fmt::format("the store has a model {}, which differs from {} only in case or punctuation",
                    other, name))
        .on("name", name)
        .hint("choose another name with --name");
  }
  return name;
}

std::string owner_and_name(const std::string& uri) {
  const std::size_t scheme = uri.find("://");
  std::string rest = scheme == std::string::npos ? uri : uri.substr(scheme + 3);
  std::string out;
  for (char c : rest) {
    if (c == '/')
      out += "--";
    else
      out += c;
  }
  return out;
}

/// Not a publisher's name of a model but the folder that one version was found in: of adopted
/// releases and plain prefixes.
bool is_place(const Origin& origin) { return origin.uri.ends_with('/'); }

void check_origin(const Manifest& other, const ImportPlan& plan) {
  if (other.origin.uri == plan.snapshot.origin.uri) return;
  if (is_place(other.origin) && is_place(plan.snapshot.origin)) return;
  throw Error(Code::conflict, fmt::format("{} came from {}, this is {}",
                                          Reference{other.name, other.version, ""}.text(),
                                          other.origin.uri, plan.snapshot.origin.uri))
      .on("name", plan.name)
      .hint(fmt::format("a name keeps its origin; import this as --name {}",
                        owner_and_name(plan.snapshot.origin.uri)));
}

/// A source without commits (a folder) and without digests can only be told apart by its bytes.
bool content_is_stated(const ImportPlan& plan) {
  return std::all_of(plan.choice.files.begin(), plan.choice.files.end(),
                     [](const FileEntry& file) { return file.digests.any(); });
}

/// A folder states no digests. Where a release of it has files of the same paths and sizes, reading
/// it once tells whether it is the same content, which then need not move.
void digest_if_it_may_be_known(const ImportRequest& request, ImportPlan& plan,
                               const std::vector<Manifest>& existing, Progress& progress,
                               const std::stop_token& stop) {
  if (content_is_stated(plan)) return;
  const auto same_listing = [&](const Manifest& manifest) {
    return manifest.files.size() == plan.choice.files.size() &&
           std::all_of(plan.choice.files.begin(), plan.choice.files.end(), [&](const FileEntry& f) {
             const ManifestFile* known = manifest.find(f.path);
             return known != nullptr && known->size == stored_size(plan, f);
           });
  };
  if (std::none_of(existing.begin(), existing.end(), same_listing)) return;
  std::uint64_t bytes = 0;
  for (const auto& file : plan.choice.files) bytes += file.size;
  progress.begin("looking whether it is known", bytes, plan.choice.files.size());
  const auto found =
      digest_files(*request.source, plan.choice.files, request.transfer, progress, stop);
  progress.begin("planning", 0, 0);
  for (std::size_t i = 0; i < found.size(); ++i)
    plan.choice.files[i].digests.sha256 = found[i].sha256;
}

void choose_version(const ImportRequest& request, ImportPlan& plan,
                    const std::vector<Manifest>& existing, const std::stop_token& stop) {
  const bool stated = content_is_stated(plan) || !plan.snapshot.origin.commit.empty();
  // A copy of a release keeps its version.
  const bool is_copy = plan.copied && !plan.compression;
  const std::string wanted =
      request.version.empty() && is_copy ? plan.copied->version : request.version;
  const Manifest* taken = nullptr;
  for (const Manifest& manifest : existing) {
    if (!request.any_origin) check_origin(manifest, plan);
    if (manifest.version == wanted) taken = &manifest;
    if (!request.version.empty() && manifest.version != wanted) continue;
    if (!stated || !same_content(manifest, plan)) continue;
    plan.version = manifest.version;
    plan.existing = manifest;
    return;
  }
  if (taken != nullptr)
    throw Error(Code::conflict,
                stated ? "this version exists with other content"
                       : "this version exists, and the source does not state what its content is")
        .on("import", Reference{plan.name, wanted, ""}.text())
        .hint(fmt::format(
            "versions never change; {} to get the next one",
            request.version.empty()
                ? fmt::format("say --version {}",
                              next_version(versions_ever(*request.store, plan.name, stop)))
                : "leave --version out"));
  plan.version =
      wanted.empty() ? next_version(versions_ever(*request.store, plan.name, stop)) : wanted;
  check_name(plan.version, "version");
  check_not_removed(*request.store, plan.name, plan.version, stop);
}

/// Content that other releases of the store hold, by SHA-256.
std::map<std::string, std::pair<const Manifest*, const ManifestFile*>> known_content(
    const std::vector<Manifest>& manifests) {
  std::map<std::string, std::pair<const Manifest*, const ManifestFile*>> known;
  for (const auto& manifest : manifests)
    for (const auto& file : manifest.files)
      if (file.size >= kWorthCopying) known.emplace(file.sha256, std::pair(&manifest, &file));
  return known;
}

std::vector<Manifest> manifests_of(Store& store, const std::string& model,
                                   const std::stop_token& stop) {
  std::vector<Manifest> out;
  for (const auto& version : list_versions(store, model, stop))
    if (auto manifest = find_manifest(store, model, version, stop))
      out.push_back(std::move(*manifest));
  return out;
}

/// The model's own versions first, then other models', newest last, up to a bound.
std::vector<Manifest> manifests_to_copy_from(const ImportRequest& request, const ImportPlan& plan,
                                             const std::vector<Manifest>& own,
                                             const std::stop_token& stop) {
  std::vector<Manifest> out = own;
  const bool useful =
      request.store->properties().server_copy &&
      std::any_of(plan.choice.files.begin(), plan.choice.files.end(), [](const FileEntry& file) {
        return file.size >= kWorthCopying && !file.digests.sha256.empty();
      });
  if (!useful) return {};
  for (const auto& model : list_models(*request.store, stop)) {
    if (model == plan.name) continue;
    for (auto& manifest : manifests_of(*request.store, model, stop)) {
      if (out.size() >= kMostManifests) return out;
      out.push_back(std::move(manifest));
    }
  }
  return out;
}

/// Files that are the same as another one, which comes before them and moves: by path, that one's.
/// The store copies them, where that moves no bytes through this process.
std::map<std::string_view, std::string_view> find_twins(const ImportRequest& request,
                                                        const ImportPlan& plan) {
  std::map<std::string_view, std::string_view> out, first;  // first: by SHA-256
  if (!request.store->properties().server_copy) return out;
  std::vector<const FileEntry*> files;
  for (const FileEntry& file : plan.choice.files)
    if (file.size >= kWorthCopying && !file.digests.sha256.empty() &&
        !(plan.compression && plan.compression->changes(file.path)))
      files.push_back(&file);
  std::ranges::stable_sort(files, {}, [](const FileEntry* f) { return publish_rank(f->path); });
  for (const FileEntry* file : files) {
    const auto [there, is_first] = first.emplace(file->digests.sha256, file->path);
    if (!is_first) out.emplace(file->path, there->second);
  }
  return out;
}

void plan_change(ImportPlan& plan, PlannedFile& file) {
  const quantize::Scheme& scheme = plan.compression->options.scheme;
  plan.bytes_to_store += file.size;
  if (plan.compression->texts.contains(file.entry.path)) {
    file.from = PlannedFile::From::written;
    file.detail = fmt::format("written for {}", scheme.name);
    return;
  }
  file.from = PlannedFile::From::quantized;
  file.detail = fmt::format("quantized to {}", scheme.name);
  const int passes = scheme.sharing == quantize::Sharing::tensor_group ? 2 : 1;
  plan.bytes_to_fetch += static_cast<std::uint64_t>(passes) * file.entry.size;
}

void plan_files(const ImportRequest& request, ImportPlan& plan,
                const std::vector<Manifest>& manifests) {
  const auto known = known_content(manifests);
  const auto twins = find_twins(request, plan);
  for (const auto& entry : plan.choice.files) {
    PlannedFile file;
    file.entry = entry;
    file.size = stored_size(plan, entry);
    if (plan.existing) {
      file.from = PlannedFile::From::present;
      file.detail = "already there";
    } else if (plan.compression && plan.compression->changes(entry.path)) {
      plan_change(plan, file);
    } else if (const auto it = known.find(entry.digests.sha256);
               it != known.end() && !entry.digests.sha256.empty()) {
      const auto& [manifest, held] = it->second;
      file.from = PlannedFile::From::store_copy;
      file.detail =
          "copied inside the store from " + Reference{manifest->name, manifest->version, ""}.text();
      file.stored.key =
          release_prefix(manifest->name, manifest->version, request.place) + held->path;
      file.stored.size = held->size;
      file.stored.etag = held->etag;
      file.known = *held;
    } else if (const auto twin = twins.find(entry.path); twin != twins.end()) {
      file.from = PlannedFile::From::twin;
      file.twin_of = twin->second;
      file.detail = "copied inside the store from " + file.twin_of;
    } else {
      plan.bytes_to_fetch += entry.size;
      plan.bytes_to_store += entry.size;
      if (!plan.shared.empty() && entry.size >= kWorthSharing) {
        plan.bytes_shared_at_most += entry.size;
        file.detail = "what is as in " + plan.shared.front().release + " is not sent";
      }
    }
    plan.files.push_back(std::move(file));
  }
}

void estimate(Source& source, ImportPlan& plan, const std::stop_token& stop) {
  const FileEntry* config = plan.snapshot.find("config.json");
  if (config == nullptr || config->size > kSmallFile) return;
  try {
    plan.config =
        plan.compression
            ? parse_hf_config(as_text(*plan.compression->texts.at("config.json").after),
                              "config.json")
            : parse_hf_config(read_small(source, *config, kSmallFile, stop), "config.json");
  } catch (const Error& error) {
    if (error.code() != Code::malformed) throw;
    warn("{}", error.what());
    return;
  }
  std::uint64_t weights = 0;
  for (const auto& file : plan.choice.files)
    if (publish_rank(file.path) == 0) weights += stored_size(plan, file);
  plan.gpu_bytes = estimate_gpu_bytes(plan.config, weights);
}

/// Where all that it was made of is known beforehand: the same.
bool same_base(const Manifest& manifest, const ImportPlan& plan) {
  std::vector<ManifestFile> files;
  for (const FileEntry& file : plan.choice.files) {
    const auto text = plan.compression->texts.find(file.path);
    const std::string& sha256 =
        text == plan.compression->texts.end() ? file.digests.sha256 : text->second.sha256;
    if (sha256.empty()) return true;
    files.push_back({.path = file.path, .size = file.size, .sha256 = sha256});
  }
  const auto base = manifest.lineage.find("base");
  return base != manifest.lineage.end() && base->is_object() &&
         base->value("root_digest", Json()) == root_digest_of(files);
}

}  // namespace

bool same_content(const Manifest& manifest, const ImportPlan& plan) {
  if (manifest.origin.uri != plan.snapshot.origin.uri ||
      manifest.origin.commit != plan.snapshot.origin.commit ||
      manifest.include != plan.selection.include || manifest.exclude != plan.selection.exclude ||
      manifest.all_files != plan.selection.all_files || manifest.transforms != plan.transforms)
    return false;
  if (manifest.files.size() != plan.choice.files.size()) return false;
  for (const auto& file : plan.choice.files) {
    const ManifestFile* known = manifest.find(file.path);
    if (known == nullptr || known->size != stored_size(plan, file)) return false;
    if (plan.compression && plan.compression->changes(file.path)) continue;
    if (!file.digests.sha256.empty() && known->sha256 != file.digests.sha256) return false;
    if (!file.digests.git_sha1.empty() && !known->git_sha1.empty() &&
        known->git_sha1 != file.digests.git_sha1)
      return false;
  }
  return !plan.compression || same_base(manifest, plan);
}

ImportPlan plan_import(const ImportRequest& request, Progress& progress,
                       const std::stop_token& stop) {
  ImportPlan plan;
  plan.snapshot = request.source->snapshot(stop);
  plan.choice = choose_files(plan.snapshot, take_over_record(request, plan),
                             [&](const std::string& path) -> std::optional<std::string> {
                               const FileEntry* file = plan.snapshot.find(path);
                               if (file == nullptr) return std::nullopt;
                               return read_small(*request.source, *file, kSmallFile, stop);
                             });
  check_servable(plan);
  check_digests(plan);
  if (request.compress) {
    plan.compression = plan_compression(*request.source, plan.choice, *request.compress, stop);
    plan.transforms.push_back(plan.compression->record());
  }
  plan.name = name_for(request, plan.snapshot, stop);
  const std::vector<Manifest> own = manifests_of(*request.store, plan.name, stop);
  digest_if_it_may_be_known(request, plan, own, progress, stop);
  choose_version(request, plan, own, stop);
  plan.uri = request.store->serving_uri(release_prefix(plan.name, plan.version, request.place));
  plan.has_versions = !own.empty();
  if (!plan.existing && !plan.compression && request.store->properties().server_copy &&
      request.source->random_access())
    plan.shared = shared_files(*request.store, own, plan.choice.files, request.place, stop);
  plan_files(
      request, plan,
      plan.existing ? std::vector<Manifest>() : manifests_to_copy_from(request, plan, own, stop));
  if (!plan.existing) plan.bytes_stored_again = stored_again(pack(request, plan));
  plan.bytes_to_store += plan.bytes_stored_again;
  estimate(*request.source, plan, stop);
  return plan;
}

}  // namespace dray
