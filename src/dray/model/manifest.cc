#include "dray/model/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/path.h"
#include "dray/model/reference.h"

namespace dray {

namespace {

constexpr std::string_view kFormat = "dray-manifest";
constexpr std::uint64_t kFormatVersion = 1;
constexpr JsonLimits kLimits{.bytes = 64 << 20, .depth = 32};
// Far above any real file or repository; together they keep every sum of sizes in 64 bits.
constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 43;
constexpr std::size_t kMostFiles = 1'000'000;
constexpr UnixTime kLastSecond = 253'402'300'799;  // of the year 9999

[[noreturn]] void fail(std::string_view what, const std::string& why) {
  throw Error(Code::malformed, fmt::format("{}: {}", what, why));
}

bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::vector<const ManifestFile*> by_path(const std::vector<ManifestFile>& files) {
  std::vector<const ManifestFile*> sorted;
  sorted.reserve(files.size());
  for (const auto& file : files) sorted.push_back(&file);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->path < b->path; });
  return sorted;
}

// ---- writing: optional texts that are empty are left out

void put_text(Json& object, const char* key, const std::string& value) {
  if (!value.empty()) object[key] = value;
}

Json to_json(const Origin& origin) {
  Json json = {{"kind", origin.kind}, {"uri", origin.uri}};
  put_text(json, "revision", origin.revision);
  put_text(json, "commit", origin.commit);
  put_text(json, "endpoint", origin.endpoint);
  return json;
}

Json to_json(const ModelInfo& info) {
  Json json = Json::object();
  put_text(json, "license", info.license);
  put_text(json, "library", info.library);
  put_text(json, "pipeline_tag", info.pipeline_tag);
  if (!info.base_models.empty()) json["base_models"] = info.base_models;
  if (!info.tags.empty()) json["tags"] = info.tags;
  if (!info.languages.empty()) json["languages"] = info.languages;
  if (info.gated) json["gated"] = true;
  if (info.is_private) json["private"] = true;
  return json;
}

Json to_json(const ManifestFile& file) {
  Json json = {{"path", file.path},
               {"size", file.size},
               {"sha256", file.sha256},
               {"part_size", file.part_size}};
  Json crcs = Json::array();
  for (const auto crc : file.part_crc64) crcs.push_back(fmt::format("{:016x}", crc));
  json["part_crc64nvme"] = std::move(crcs);
  put_text(json, "git_sha1", file.git_sha1);
  put_text(json, "etag", file.etag);
  if (!file.blob.empty()) {
    json["blob"] = file.blob;
    json["blob_offset"] = file.blob_offset;
  }
  if (!file.weights.empty()) json["weights"] = to_json(file.weights);
  return json;
}

Json to_json(const ManifestLayer& layer) {
  Json files = Json::array();
  for (const auto& place : layer.files)
    files.push_back({{"path", place.path}, {"offset", place.offset}});
  return {{"digest", layer.digest}, {"size", layer.size}, {"files", std::move(files)}};
}

// ---- reading

bool is_digest(std::string_view text) {
  return text.starts_with("sha256:") && is_hex(text.substr(7), 64);
}

std::string text_or_empty(const Json& json, std::string_view key, std::string_view what) {
  return find_string(json, key, what).value_or("");
}

std::vector<std::string> texts(const Json& json, std::string_view key, std::string_view what) {
  std::vector<std::string> out;
  const auto at = json.find(key);
  if (at == json.end() || at->is_null()) return out;
  for (const auto& item : get_array(json, key, what)) {
    if (!item.is_string()) fail(what, fmt::format("'{}' holds something other than texts", key));
    out.push_back(item.get<std::string>());
  }
  return out;
}

Origin read_origin(const Json& json, std::string_view what) {
  return {.kind = get_string(json, "kind", what),
          .uri = get_string(json, "uri", what),
          .revision = text_or_empty(json, "revision", what),
          .commit = text_or_empty(json, "commit", what),
          .endpoint = text_or_empty(json, "endpoint", what)};
}

ModelInfo read_info(const Json& json, std::string_view what) {
  ModelInfo info;
  info.license = text_or_empty(json, "license", what);
  info.library = text_or_empty(json, "library", what);
  info.pipeline_tag = text_or_empty(json, "pipeline_tag", what);
  info.base_models = texts(json, "base_models", what);
  info.tags = texts(json, "tags", what);
  info.languages = texts(json, "languages", what);
  info.gated = find_bool(json, "gated", what).value_or(false);
  info.is_private = find_bool(json, "private", what).value_or(false);
  return info;
}

std::vector<std::uint64_t> read_crcs(const Json& json, const std::string& what) {
  std::vector<std::uint64_t> crcs;
  for (const auto& text : texts(json, "part_crc64nvme", what)) {
    if (!is_hex(text, 16)) fail(what, "a part's CRC64 is not 16 hexadecimal digits");
    std::uint64_t value = 0;
    for (const char c : text)
      value = value << 4 | static_cast<std::uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
    crcs.push_back(value);
  }
  return crcs;
}

ManifestFile read_file_entry(const Json& json, std::string_view what) {
  if (!json.is_object()) fail(what, "'files' holds something other than objects");
  ManifestFile file;
  file.path = get_string(json, "path", what);
  check_relative_path(file.path, what);
  const std::string where = fmt::format("{}: {}", what, file.path);
  file.size = get_u64(json, "size", where);
  file.sha256 = get_string(json, "sha256", where);
  file.git_sha1 = text_or_empty(json, "git_sha1", where);
  file.part_size = find_u64(json, "part_size", where).value_or(0);
  file.part_crc64 = read_crcs(json, where);
  file.etag = text_or_empty(json, "etag", where);
  if (const auto weights = json.find("weights"); weights != json.end())
    file.weights = weight_errors_of(*weights, where);
  file.blob = text_or_empty(json, "blob", where);
  if (!file.blob.empty()) {
    if (!is_digest(file.blob)) fail(where, "its blob is no SHA-256 digest");
    file.blob_offset = get_u64(json, "blob_offset", where);
    if (file.blob_offset > kLargestFile) fail(where, "its place in the blob is too far");
  }

  if (file.size > kLargestFile) fail(where, fmt::format("a size of {} bytes", file.size));
  if (!is_hex(file.sha256, 64)) fail(where, "its sha256 is not 64 lower-case hexadecimal digits");
  if (!file.git_sha1.empty() && !is_hex(file.git_sha1, 40))
    fail(where, "its git_sha1 is not 40 lower-case hexadecimal digits");
  const std::uint64_t parts =
      file.part_size == 0 || file.size == 0 ? 1 : (file.size - 1) / file.part_size + 1;
  if (!file.part_crc64.empty() && file.part_crc64.size() != parts)
    fail(where, fmt::format("{} part checksums for {} parts", file.part_crc64.size(), parts));
  return file;
}

std::vector<ManifestFile> read_files(const Json& array, std::string_view what) {
  if (array.size() > kMostFiles) fail(what, fmt::format("more than {} files", kMostFiles));
  std::vector<ManifestFile> files;
  std::vector<std::string> paths;
  for (const auto& item : array) {
    files.push_back(read_file_entry(item, what));
    paths.push_back(files.back().path);
  }
  check_listing(paths, what);
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return files;
}

std::vector<ManifestLayer> read_layers(const Json& array, const Manifest& manifest,
                                       std::string_view what) {
  if (array.size() > manifest.files.size()) fail(what, "more layers than files");
  std::vector<ManifestLayer> layers;
  for (const auto& item : array) {
    if (!item.is_object()) fail(what, "'layers' holds something other than objects");
    ManifestLayer layer{get_string(item, "digest", what), get_u64(item, "size", what), {}};
    if (!is_digest(layer.digest)) fail(what, "the digest of a layer is no SHA-256 digest");
    if (layer.size > kLargestFile) fail(what, fmt::format("a layer of {} bytes", layer.size));
    for (const auto& place : get_array(item, "files", what)) {
      if (!place.is_object()) fail(what, "a layer holds something other than files");
      layer.files.push_back({get_string(place, "path", what), get_u64(place, "offset", what)});
      const ManifestFile* file = manifest.find(layer.files.back().path);
      if (file == nullptr || layer.files.back().offset > layer.size ||
          layer.size - layer.files.back().offset < file->size)
        fail(what, "a layer holds what is no file, or not all of it");
    }
    if (layer.files.empty()) fail(what, "a layer holds no file");
    layers.push_back(std::move(layer));
  }
  return layers;
}

void check_format(const Json& json, std::string_view what) {
  if (!json.is_object() || text_or_empty(json, "format", what) != kFormat)
    fail(what, "is not a manifest of dray");
  const auto version = get_u64(json, "format_version", what);
  if (version == 0) fail(what, "format version 0 does not exist");
  if (version > kFormatVersion)
    throw Error(Code::malformed, fmt::format("{}: written in manifest format {}, this dray reads "
                                             "up to format {}",
                                             what, version, kFormatVersion))
        .hint("read it with a newer dray");
}

void check_release_name(std::string_view name, std::string_view kind, std::string_view what) {
  try {
    check_name(name, kind);
  } catch (const Error& error) {
    throw Error(Code::malformed, std::string(what)).because(error);
  }
}

}  // namespace

std::uint64_t Manifest::total_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& file : files) sum += file.size;
  return sum;
}

const ManifestFile* Manifest::find(std::string_view path) const {
  auto at =
      std::lower_bound(files.begin(), files.end(), path,
                       [](const ManifestFile& file, std::string_view p) { return file.path < p; });
  return at != files.end() && at->path == path ? &*at : nullptr;
}

std::string root_digest_of(const std::vector<ManifestFile>& files) {
  Sha256 hash;
  for (const auto* file : by_path(files))
    hash.update(as_bytes(fmt::format("{}  {}  {}\n", file->sha256, file->size, file->path)));
  return "sha256:" + hash.hex();
}

std::string transforms_text(const Manifest& manifest) {
  std::string out;
  for (const Json& transform : manifest.transforms) {
    if (!transform.is_object()) continue;
    const auto text = [&](const char* key) {
      const auto found = transform.find(key);
      return found != transform.end() && found->is_string() ? found->get<std::string>() : "?";
    };
    out += fmt::format("{}{} ({})", out.empty() ? "" : ", ", text("scheme"), text("method"));
  }
  return out;
}

std::string to_json_text(const Manifest& manifest) {
  Json json = {{"format", kFormat},
               {"format_version", kFormatVersion},
               {"name", manifest.name},
               {"version", manifest.version},
               {"origin", to_json(manifest.origin)},
               {"model", to_json(manifest.info)},
               {"selection",
                {{"all_files", manifest.all_files},
                 {"include", manifest.include},
                 {"exclude", manifest.exclude}}},
               {"transforms", manifest.transforms},
               {"lineage", manifest.lineage},
               {"allows", manifest.allows},
               {"created", rfc3339(manifest.created)},
               {"created_by", manifest.created_by},
               {"root_digest", manifest.root_digest}};
  if (!manifest.image.is_null()) json["image"] = manifest.image;
  if (!manifest.layers.empty()) {
    Json layers = Json::array();
    for (const auto& layer : manifest.layers) layers.push_back(to_json(layer));
    json["layers"] = std::move(layers);
  }
  Json files = Json::array();
  for (const auto* file : by_path(manifest.files)) files.push_back(to_json(*file));
  json["files"] = std::move(files);
  return dump_json_pretty(json);
}

Manifest parse_manifest(std::string_view text, std::string_view what) {
  const Json json = parse_json(text, what, kLimits);
  check_format(json, what);
  Manifest manifest;
  manifest.name = get_string(json, "name", what);
  check_release_name(manifest.name, "name of a release", what);
  manifest.version = get_string(json, "version", what);
  check_release_name(manifest.version, "version", what);
  manifest.origin = read_origin(get_object(json, "origin", what), what);
  manifest.files = read_files(get_array(json, "files", what), what);
  manifest.root_digest = get_string(json, "root_digest", what);
  if (const auto digest = root_digest_of(manifest.files); digest != manifest.root_digest)
    fail(what,
         fmt::format("its files give root digest {}, it states {}", digest, manifest.root_digest));

  if (json.contains("model")) manifest.info = read_info(get_object(json, "model", what), what);
  if (json.contains("selection")) {
    const Json& selection = get_object(json, "selection", what);
    manifest.all_files = find_bool(selection, "all_files", what).value_or(false);
    manifest.include = texts(selection, "include", what);
    manifest.exclude = texts(selection, "exclude", what);
  }
  if (json.contains("transforms")) manifest.transforms = get_array(json, "transforms", what);
  if (json.contains("lineage")) manifest.lineage = get_object(json, "lineage", what);
  if (const auto image = json.find("image"); image != json.end() && !image->is_null())
    manifest.image = get_object(json, "image", what);
  if (json.contains("layers"))
    manifest.layers = read_layers(get_array(json, "layers", what), manifest, what);
  manifest.allows = texts(json, "allows", what);
  const auto created = parse_rfc3339(get_string(json, "created", what));
  if (!created || *created < 0 || *created > kLastSecond)
    fail(what, "'created' is not a time such as 2026-08-07T12:34:56Z");
  manifest.created = *created;
  manifest.created_by = text_or_empty(json, "created_by", what);
  return manifest;
}

}  // namespace dray
