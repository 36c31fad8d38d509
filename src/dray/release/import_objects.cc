#include "dray/release/import_objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/time.h"
#include "dray/store/layout.h"
#include "dray/transfer/framed_transform.h"

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

/// The input of an object that is made of a transformed file is that file alone: what lies around
/// it becomes part of the transform.
void quantize_inside(const PackedObject& packed, const PlannedFile& file,
                     const Transforms& transforms, TransferPlan& transfer, ObjectPlan& object) {
  Buffer before, after;
  for (const auto& piece : packed.pieces) {
    const auto* literal = std::get_if<std::shared_ptr<const Buffer>>(&piece);
    Buffer& side = object.segments.empty() ? before : after;
    if (literal != nullptr) {
      side.insert(side.end(), (*literal)->begin(), (*literal)->end());
      continue;
    }
    if (!object.segments.empty())
      throw Error(Code::unsupported, "shards that are quantized cannot share a layer")
          .on("plan", object.label)
          .hint("allow as many layers as there are shards: --max-layers");
    object.segments = {SourceSegment{transfer.units.size(), {0, file.entry.size}}};
    transfer.units.push_back(file.entry);
  }
  object.transform = transforms.at(file.entry.path);
  if (!packed.is_file())
    object.transform =
        std::make_shared<FramedTransform>(std::move(before), object.transform, std::move(after));
  object.spec.small_parts = true;
}

void fill(const PackedObject& packed, const ImportPlan& plan, TransferPlan& transfer,
          ObjectPlan& object) {
  for (const auto& piece : packed.pieces) {
    if (const auto* literal = std::get_if<std::shared_ptr<const Buffer>>(&piece)) {
      object.segments.push_back(LiteralSegment{*literal});
      continue;
    }
    const PlannedFile& file = plan.files[std::get<std::size_t>(piece)];
    if (file.from == PlannedFile::From::written) {
      object.segments.push_back(LiteralSegment{plan.compression->texts.at(file.entry.path).after});
    } else {
      object.segments.push_back(SourceSegment{transfer.units.size(), {0, file.entry.size}});
      transfer.units.push_back(file.entry);
    }
  }
}

/// What became of one file of an object.
ManifestFile stored_file(const ImportPlan& plan, const PackedObject& packed,
                         const PackedObject::Place& place, const ObjectResult& object) {
  const PlannedFile& planned = plan.files[place.file];
  ManifestFile file;
  file.path = planned.entry.path;
  file.size = planned.size;
  file.weights = object.report;
  if (packed.is_file()) {
    file.sha256 = object.sha256;
    file.part_size = object.part_size;
    file.part_crc64 = object.part_crc64;
    file.etag = object.etag;
    return file;
  }
  file.blob = object.etag;
  file.blob_offset = place.offset;
  if (planned.from == PlannedFile::From::quantized) {
    file.sha256 = object.report.at("sha256").get<std::string>();
    file.weights = object.report.at("report");
  } else if (planned.from == PlannedFile::From::written) {
    file.sha256 = Sha256::hex_of(*plan.compression->texts.at(file.path).after);
  } else {
    const auto read_before = std::count_if(
        packed.files.begin(), packed.files.end(), [&](const PackedObject::Place& other) {
          return other.offset < place.offset &&
                 plan.files[other.file].from != PlannedFile::From::written;
        });
    file.sha256 = object.unit_sha256.empty()
                      ? object.input_sha256
                      : object.unit_sha256.at(static_cast<std::size_t>(read_before));
  }
  return file;
}

/// SHA-256 of what was read of each file, by path.
std::map<std::string_view, std::string> read_digests(const ImportPlan& plan,
                                                     const std::vector<PackedObject>& packed,
                                                     const std::vector<ObjectResult>& objects) {
  std::map<std::string_view, std::string> read;
  for (std::size_t i = 0; i < packed.size(); ++i)
    for (const auto& place : packed[i].files)
      read[plan.files[place.file].entry.path] =
          plan.files[place.file].from == PlannedFile::From::quantized
              ? objects[i].input_sha256
              : stored_file(plan, packed[i], place, objects[i]).sha256;
  return read;
}

/// Says in the lineage what was compressed.
void describe_base(const ImportPlan& plan, const std::vector<PackedObject>& packed,
                   const std::vector<ObjectResult>& objects, Manifest& manifest) {
  auto read = read_digests(plan, packed, objects);
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

}  // namespace

std::vector<PackedObject> pack(const ImportRequest& request, const ImportPlan& plan) {
  std::vector<FileToStore> files;
  for (const PlannedFile& file : plan.files) {
    std::string sha256;
    if (file.from == PlannedFile::From::written)
      sha256 = Sha256::hex_of(*plan.compression->texts.at(file.entry.path).after);
    else if (file.from != PlannedFile::From::quantized)
      sha256 = file.entry.digests.sha256;
    files.push_back({file.entry.path, file.size, std::move(sha256)});
  }
  return request.store->pack(release_prefix(plan.name, plan.version, request.place), files);
}

TransferPlan transfer_plan(const ImportRequest& request, const ImportPlan& plan,
                           const std::vector<PackedObject>& packed, const Transforms& transforms) {
  const bool share = request.store->properties().server_copy && plan.has_versions;
  TransferPlan transfer;
  for (const PackedObject& from : packed) {
    ObjectPlan object;
    object.spec = from.spec;
    object.label = from.label;
    object.rank = from.rank;
    const auto quantized = std::find_if(from.files.begin(), from.files.end(), [&](const auto& f) {
      return plan.files[f.file].from == PlannedFile::From::quantized;
    });
    if (quantized != from.files.end())
      quantize_inside(from, plan.files[quantized->file], transforms, transfer, object);
    else
      fill(from, plan, transfer, object);
    object.spec.metadata = object_metadata(plan, object.spec.sha256);
    if (from.is_file() && plan.files[from.files[0].file].from == PlannedFile::From::store_copy) {
      const PlannedFile& file = plan.files[from.files[0].file];
      object.copy_from = file.stored;
      object.copy_part_crc64 = file.known.part_crc64;
      object.copy_part_size = file.known.part_size;
    } else if (request.store->properties().blobs && !object.spec.sha256.empty()) {
      object.copy_from =
          StoredObject{.key = "", .size = object.spec.size, .etag = "sha256:" + object.spec.sha256};
    }
    if (share && object.plain()) digest_ranges(object);
    transfer.objects.push_back(std::move(object));
  }
  tell_twins(plan.files, transfer.objects);
  return transfer;
}

Manifest manifest_of(const ImportPlan& plan, const std::vector<PackedObject>& packed,
                     const std::vector<ObjectResult>& objects) {
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
  for (std::size_t i = 0; i < packed.size(); ++i) {
    for (const auto& place : packed[i].files) {
      ManifestFile file = stored_file(plan, packed[i], place, objects[i]);
      if (!plan.compression || !plan.compression->changes(file.path))
        file.git_sha1 = plan.snapshot.find(file.path)->digests.git_sha1;
      // A copy's weights are as far from what they were as the release's.
      if (const ManifestFile* held = plan.copied ? plan.copied->find(file.path) : nullptr;
          held != nullptr && held->sha256 == file.sha256)
        file.weights = held->weights;
      manifest.files.push_back(std::move(file));
    }
  }
  std::sort(manifest.files.begin(), manifest.files.end(),
            [](const ManifestFile& a, const ManifestFile& b) { return a.path < b.path; });
  if (plan.copied) manifest.lineage = plan.copied->lineage;
  if (plan.compression) {
    describe_base(plan, packed, objects, manifest);
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

}  // namespace dray
