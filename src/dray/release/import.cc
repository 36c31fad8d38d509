#include "dray/release/import.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "dray/base/digest.h"
#include "dray/base/failpoint.h"
#include "dray/base/time.h"
#include "dray/release/aliases.h"
#include "dray/release/project.h"
#include "dray/release/publish.h"
#include "dray/release/same_content.h"
#include "dray/store/catalog.h"
#include "dray/transfer/transfer.h"

namespace dray {

namespace {

/// Metadata that the ModelCar pipeline's readers know, and the digest where it is known beforehand.
std::vector<std::pair<std::string, std::string>> object_metadata(const ImportPlan& plan,
                                                                 const std::string& sha256) {
  std::vector<std::pair<std::string, std::string>> metadata = {
      {"model-name", plan.name},
      {"model-version", plan.version},
      {"source", plan.snapshot.origin.uri}};
  if (!plan.snapshot.origin.commit.empty())
    metadata.emplace_back("commit", plan.snapshot.origin.commit);
  if (!sha256.empty()) metadata.emplace_back("sha256", sha256);
  return metadata;
}

/// Of the objects, in the order in which they are made.
void tell_twins(const std::vector<PlannedFile>& files, std::vector<ObjectPlan>& objects) {
  std::map<std::string_view, std::size_t> places;  // by path
  for (std::size_t i = 0; i < objects.size(); ++i) places[objects[i].label] = i;
  for (const PlannedFile& file : files)
    if (file.from == PlannedFile::From::twin)
      objects[places.at(file.entry.path)].same_as = places.at(file.twin_of);
}

/// Weights first, largest first; then the rest; index and config last.
TransferPlan transfer_plan(const ImportRequest& request, const ImportPlan& plan,
                           const std::map<std::string, std::shared_ptr<Transform>>& transforms) {
  const bool share = request.store->properties().server_copy && plan.has_versions;
  const std::string prefix = release_prefix(plan.name, plan.version, request.place);
  TransferPlan transfer;
  for (const PlannedFile& file : plan.files) {
    ObjectPlan object;
    object.spec.key = prefix + file.entry.path;
    object.spec.size = file.size;
    object.label = file.entry.path;
    object.rank = publish_rank(file.entry.path);
    if (file.from == PlannedFile::From::written) {
      const auto& text = plan.compression->texts.at(file.entry.path).after;
      object.segments = {LiteralSegment{text}};
      object.spec.sha256 = Sha256::hex_of(*text);
    } else {
      object.segments = {SourceSegment{transfer.units.size(), {0, file.entry.size}}};
      transfer.units.push_back(file.entry);
      if (file.from == PlannedFile::From::quantized) {
        object.transform = transforms.at(file.entry.path);
        object.spec.small_parts = true;
      } else {
        object.spec.sha256 = file.entry.digests.sha256;
      }
    }
    object.spec.metadata = object_metadata(plan, object.spec.sha256);
    if (file.from == PlannedFile::From::store_copy) {
      object.copy_from = file.stored;
      object.copy_part_crc64 = file.known.part_crc64;
      object.copy_part_size = file.known.part_size;
    }
    if (share && object.plain()) digest_ranges(object);
    transfer.objects.push_back(std::move(object));
  }
  std::stable_sort(transfer.objects.begin(), transfer.objects.end(),
                   [](const ObjectPlan& a, const ObjectPlan& b) {
                     return a.rank != b.rank ? a.rank < b.rank : a.spec.size > b.spec.size;
                   });
  tell_twins(plan.files, transfer.objects);
  return transfer;
}

/// Says in the lineage what was compressed.
void describe_base(const ImportPlan& plan, const std::string& prefix,
                   const std::vector<ObjectResult>& objects, Manifest& manifest) {
  std::map<std::string_view, std::string> read;  // SHA-256 of what was read, by path
  for (const ObjectResult& object : objects)
    read[std::string_view(object.key).substr(prefix.size())] =
        object.input_sha256.empty() ? object.sha256 : object.input_sha256;
  for (const auto& [path, text] : plan.compression->texts) read[path] = text.sha256;
  std::vector<ManifestFile> files;
  std::uint64_t bytes = 0;
  for (const FileEntry& file : plan.choice.files) {
    files.push_back({.path = file.path, .size = file.size, .sha256 = read.at(file.path)});
    bytes += file.size;
  }
  const Origin& origin = plan.snapshot.origin;
  Json base = {{"uri", origin.uri}, {"root_digest", root_digest_of(files)}, {"size", bytes}};
  if (!origin.commit.empty()) base["commit"] = origin.commit;
  if (plan.copied) {
    base["store"] = plan.copied_store;
    base["name"] = plan.copied->name;
    base["version"] = plan.copied->version;
  }
  manifest.lineage["base"] = std::move(base);
  constexpr std::string_view kHub = "hf://";
  if (origin.uri.starts_with(kHub)) manifest.lineage["base_model"] = origin.uri.substr(kHub.size());
  manifest.lineage["base_model_relation"] = "quantized";
}

Manifest manifest_of(const ImportRequest& request, const ImportPlan& plan,
                     const std::vector<ObjectResult>& objects) {
  const std::string prefix = release_prefix(plan.name, plan.version, request.place);
  Manifest manifest;
  manifest.name = plan.name;
  manifest.version = plan.version;
  manifest.origin = plan.snapshot.origin;
  manifest.info = plan.snapshot.info;
  manifest.include = plan.selection.include;
  manifest.exclude = plan.selection.exclude;
  manifest.all_files = plan.selection.all_files;
  manifest.transforms = plan.transforms;
  manifest.allows = plan.allows;
  manifest.created = unix_now();
  manifest.created_by = "dray/" DRAY_VERSION;
  for (const ObjectResult& object : objects) {
    ManifestFile file;
    file.path = object.key.substr(prefix.size());
    file.size = object.size;
    file.sha256 = object.sha256;
    if (!plan.compression || !plan.compression->changes(file.path))
      file.git_sha1 = plan.snapshot.find(file.path)->digests.git_sha1;
    file.part_size = object.part_size;
    file.part_crc64 = object.part_crc64;
    file.etag = object.etag;
    file.weights = object.report;
    // A copy's weights are as far from what they were as the release's.
    if (const ManifestFile* held = plan.copied ? plan.copied->find(file.path) : nullptr;
        held != nullptr && held->sha256 == file.sha256)
      file.weights = held->weights;
    manifest.files.push_back(std::move(file));
  }
  std::sort(manifest.files.begin(), manifest.files.end(),
            [](const ManifestFile& a, const ManifestFile& b) { return a.path < b.path; });
  if (plan.copied) manifest.lineage = plan.copied->lineage;
  if (plan.compression) {
    describe_base(plan, prefix, objects, manifest);
  } else if (plan.copied) {
    manifest.lineage["copied_from"] = {{"store", plan.copied_store},
                                       {"name", plan.copied->name},
                                       {"version", plan.copied->version},
                                       {"root_digest", plan.copied->root_digest}};
  }
  if (!plan.choice.base_model.empty()) manifest.lineage["base_model"] = plan.choice.base_model;
  manifest.root_digest = root_digest_of(manifest.files);
  return manifest;
}

std::uint64_t total_bytes(const ImportPlan& plan) {
  std::uint64_t bytes = 0;
  for (const auto& file : plan.files) bytes += file.size;
  return bytes;
}

/// What would fail later fails before the first model byte: credentials, permissions, room.
void check_store(const ImportRequest& request, const ImportPlan& plan,
                 const std::stop_token& stop) {
  request.store->preflight(stop);
  std::uint64_t needed = plan.bytes_to_store;  // and copies of what is sent
  for (const PlannedFile& file : plan.files)
    if (file.from == PlannedFile::From::twin) needed += file.size;
  const auto room = request.store->free_bytes();
  if (!room || *room >= needed) return;
  throw Error(Code::storage,
              fmt::format("{} are needed, {} are free", human_size(needed), human_size(*room)))
      .on("write to", request.store->properties().uri)
      .from(Side::destination)
      .hint("make room, or choose another store with --to");
}

/// The bytes are there and the manifest is not: moves them, then makes the release exist. True if
/// this call did.
bool make_release(const ImportRequest& request, const ImportPlan& plan, Progress& progress,
                  ImportResult& result, const std::stop_token& stop) {
  progress.phase("checking the store");
  check_store(request, plan, stop);
  std::map<std::string, std::shared_ptr<Transform>> transforms;
  if (plan.compression)
    transforms = shard_transforms(*request.source, plan.choice, *plan.compression, request.transfer,
                                  progress, stop);
  TransferRequest transfer_request;
  transfer_request.source = request.source;
  transfer_request.store = request.store;
  transfer_request.progress = &progress;
  transfer_request.options = request.transfer;
  transfer_request.plan = transfer_plan(request, plan, transforms);
  transfer_request.name = plan.name;
  transfer_request.version = plan.version;
  transfer_request.source_text =
      plan.snapshot.origin.uri +
      (plan.snapshot.origin.commit.empty() ? "" : "@" + plan.snapshot.origin.commit);
  transfer_request.prefix = release_prefix(plan.name, plan.version, request.place);
  const auto shared = read_ranges(*request.store, plan.shared, request.transfer, progress, stop);
  share_ranges(transfer_request.plan, *request.source, *request.store, shared, stop);
  progress.phase("claiming");
  Transfer transfer(std::move(transfer_request), stop);
  // Another writer may have finished between our plan and our claim.
  if (const auto& done = transfer.published()) {
    transfer.finish(stop);
    if (!same_content(*done, plan))
      throw Error(Code::conflict,
                  "another writer published other content as this version meanwhile")
          .on("import", Reference{plan.name, plan.version, ""}.text())
          .hint("run the same command again to get the next version");
    result.manifest = *done;
    return false;
  }
  progress.begin("transferring", total_bytes(plan), plan.files.size());
  const std::vector<ObjectResult> objects = transfer.run(stop);
  result.manifest = manifest_of(request, plan, objects);
  progress.phase("publishing");
  check_prefix(*request.store, result.manifest, request.place, stop);
  save_range_record(*request.store, result.manifest, objects, shared, stop);
  failpoint("before-publish");
  const bool changed = publish_manifest(*request.store, result.manifest, stop);
  failpoint("after-publish");
  transfer.finish(stop);
  return changed;
}

void register_release(const ImportRequest& request, ImportResult& result,
                      const std::stop_token& stop) {
  // Where the registry is down the release is complete all the same.
  result.registry_error = told([&] {
    result.registered = request.registry->put(registration_of(result.manifest, result.uri), stop);
  });
}

/// Lets the alias point to the release, then shows that in the registry.
void move_the_alias(const ImportRequest& request, const ImportPlan& plan, ImportResult& result,
                    const std::stop_token& stop) {
  promote(*request.store, {plan.name, plan.version, ""}, request.alias, request.note, false, stop);
  if (request.registry == nullptr || result.registry_error) return;
  result.registry_error =
      told([&] { project_aliases(*request.store, *request.registry, plan.name, stop); });
}

}  // namespace

ImportResult run_import(const ImportRequest& request, const ImportPlan& plan, Progress& progress,
                        const std::stop_token& stop) {
  ImportResult result;
  result.uri = plan.uri;
  progress.total(total_bytes(plan), plan.files.size());
  if (plan.existing) {
    result.manifest = *plan.existing;
    progress.reused(total_bytes(plan));
  } else {
    result.changed = make_release(request, plan, progress, result, stop);
  }
  if (request.registry != nullptr) {
    progress.phase("registering");
    register_release(request, result, stop);
    failpoint("registered");
  }
  if (!request.alias.empty()) {
    progress.phase("moving the alias");
    move_the_alias(request, plan, result, stop);
  }
  progress.phase("done");
  result.stats = progress.view();
  return result;
}

}  // namespace dray
