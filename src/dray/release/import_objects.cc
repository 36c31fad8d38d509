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
      throw Error(Code::internal, "two files are to be quantized into one object")
          .on("plan", object.label);
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
    if (const auto* whole = std::get_if<WholeObject>(&piece)) {
      const ObjectSpec& made = transfer.objects.at(whole->object).spec;
      object.segments.push_back(SourceSegment{transfer.units.size(), {0, made.size}});
      transfer.made[transfer.units.size()] = whole->object;
      transfer.units.push_back({transfer.objects[whole->object].label, made.size, {}});
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

/// By file, the objects that helped to make others of it.
using Helps = std::map<std::size_t, const ObjectResult*>;

Helps helps_of(const std::vector<PackedObject>& packed, const std::vector<ObjectResult>& objects) {
  Helps out;
  for (std::size_t i = 0; i < packed.size(); ++i)
    if (packed[i].role == PackedObject::Role::help)
      out.emplace(packed[i].files[0].file, &objects[i]);
  return out;
}

/// nullptr where none was needed.
const ObjectResult* help_of(std::size_t file, const Helps& helps) {
  const auto found = helps.find(file);
  return found == helps.end() ? nullptr : found->second;
}

/// What was found out about the weights of a file that is the object.
std::vector<WeightError> weights_in(const ObjectResult& object, const std::string& what) {
  return object.report.empty() ? std::vector<WeightError>()
                               : weight_errors_of(parse_json(object.report, what), what);
}

/// What became of one file of an object.
ManifestFile stored_file(const ImportPlan& plan, const PackedObject& packed,
                         const PackedObject::Place& place, const ObjectResult& object,
                         const ObjectResult* help) {
  const PlannedFile& planned = plan.files[place.file];
  ManifestFile file;
  file.path = planned.entry.path;
  file.size = planned.size;
  if (packed.is_file()) {
    file.sha256 = object.sha256;
    file.part_size = object.part_size;
    file.part_crc64 = object.part_crc64;
    file.etag = object.etag;
    file.weights = weights_in(object, file.path);
    return file;
  }
  file.blob = object.etag;
  file.blob_offset = place.offset;
  if (help != nullptr) {
    file.sha256 = help->sha256;
    file.weights = weights_in(*help, file.path);
  } else if (planned.from == PlannedFile::From::quantized) {
    const Json report = parse_json(object.report, file.path);
    file.sha256 = get_string(report, "sha256", file.path);
    file.weights = weight_errors_of(report.at("report"), file.path);
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

ManifestLayer layer_of(const ImportPlan& plan, const PackedObject& packed,
                       const ObjectResult& object) {
  ManifestLayer layer{object.etag, object.size, {}};
  for (const auto& place : packed.files)
    layer.files.push_back({plan.files[place.file].entry.path, place.offset});
  return layer;
}

/// SHA-256 of what was read of each file, by path.
std::map<std::string_view, std::string> read_digests(const ImportPlan& plan,
                                                     const std::vector<PackedObject>& packed,
                                                     const std::vector<ObjectResult>& objects) {
  const Helps helps = helps_of(packed, objects);
  std::map<std::string_view, std::string> read;
  for (std::size_t i = 0; i < packed.size(); ++i) {
    if (packed[i].role != PackedObject::Role::files) continue;
    for (const auto& place : packed[i].files) {
      const ObjectResult* help = help_of(place.file, helps);
      read[plan.files[place.file].entry.path] =
          plan.files[place.file].from == PlannedFile::From::quantized
              ? (help != nullptr ? *help : objects[i]).input_sha256
              : stored_file(plan, packed[i], place, objects[i], help).sha256;
    }
  }
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

FileToStore::Fits fits(const ImportRequest& request, const PlannedFile& file) {
  if (file.from == PlannedFile::From::written) return FileToStore::Fits::anywhere;
  if (!request.source->random_access()) return FileToStore::Fits::whole;
  return file.from == PlannedFile::From::quantized ? FileToStore::Fits::alone
                                                   : FileToStore::Fits::anywhere;
}

/// A blob of the source's repository that is this object: it holds the same files at the same
/// places, and no others.
std::optional<StoredObject> blob_like(const Source& source, const ImportPlan& plan,
                                      const PackedObject& packed) {
  const auto places = [&](const PackedObject::Place& at) {
    const PlannedFile& file = plan.files[at.file];
    return file.from == PlannedFile::From::source ? source.blobs_of(file.entry)
                                                  : std::vector<BlobPlace>();
  };
  for (const BlobPlace& blob : places(packed.files.front())) {
    const bool is_it = blob.files == packed.files.size() &&
                       std::all_of(packed.files.begin(), packed.files.end(), [&](const auto& at) {
                         const auto all = places(at);
                         return std::any_of(all.begin(), all.end(), [&](const BlobPlace& place) {
                           return place.digest == blob.digest && place.offset == at.offset;
                         });
                       });
    if (is_it)
      return StoredObject{.key = blob.repository, .size = packed.spec.size, .etag = blob.digest};
  }
  return std::nullopt;
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
    files.push_back({file.entry.path, file.size, std::move(sha256), fits(request, file)});
  }
  return request.store->pack(release_prefix(plan.name, plan.version, request.place), files);
}

std::uint64_t stored_again(const std::vector<PackedObject>& packed) {
  std::uint64_t bytes = 0;
  for (const PackedObject& object : packed)
    if (object.role != PackedObject::Role::files) bytes += object.spec.size;
  return bytes;
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
    const auto quantized = std::find_if(from.pieces.begin(), from.pieces.end(), [&](const auto& p) {
      const auto* file = std::get_if<std::size_t>(&p);
      return file != nullptr && plan.files[*file].from == PlannedFile::From::quantized;
    });
    if (quantized != from.pieces.end())
      quantize_inside(from, plan.files[std::get<std::size_t>(*quantized)], transforms, transfer,
                      object);
    else
      fill(from, plan, transfer, object);
    object.spec.metadata = object_metadata(plan, object.spec.sha256);
    if (from.is_file() && plan.files[from.files[0].file].from == PlannedFile::From::store_copy) {
      const PlannedFile& file = plan.files[from.files[0].file];
      object.copy_from = file.stored;
      object.copy_part_crc64 = file.known.part_crc64;
      object.copy_part_size = file.known.part_size;
    } else if (request.store->properties().blobs) {
      object.copy_from = blob_like(*request.source, plan, from);
      if (!object.copy_from && !object.spec.sha256.empty())
        object.copy_from = StoredObject{
            .key = "", .size = object.spec.size, .etag = "sha256:" + object.spec.sha256};
    }
    if (share && object.plain()) digest_ranges(object);
    transfer.objects.push_back(std::move(object));
  }
  tell_twins(plan.files, transfer.objects);
  if (plan.compression) transfer.held = plan.compression->held();
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
  const Helps helps = helps_of(packed, objects);
  for (std::size_t i = 0; i < packed.size(); ++i) {
    if (packed[i].role == PackedObject::Role::again)
      manifest.layers.push_back(layer_of(plan, packed[i], objects[i]));
    if (packed[i].role != PackedObject::Role::files) continue;
    for (const auto& place : packed[i].files) {
      ManifestFile file =
          stored_file(plan, packed[i], place, objects[i], help_of(place.file, helps));
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
  std::sort(manifest.layers.begin(), manifest.layers.end(),
            [](const ManifestLayer& a, const ManifestLayer& b) {
              return a.files.front().path < b.files.front().path;
            });
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
