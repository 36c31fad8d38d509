#include "dray/store/oci_image.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "dray/base/error.h"
#include "dray/model/file_kind.h"
#include "dray/model/image_path.h"

namespace dray {

namespace {

// The same for every run: an image's digest says what is in it, not when it was made.
constexpr std::string_view kCreated = "1970-01-01T00:00:00Z";
constexpr std::string_view kCard = "README.md";
constexpr std::string_view kHub = "hf://";

ImageText text_of(std::string media_type, std::string text, std::string artifact_type = "") {
  oci::Descriptor descriptor{.media_type = std::move(media_type),
                             .digest = oci::digest_of(text),
                             .size = text.size(),
                             .artifact_type = std::move(artifact_type)};
  return {std::move(descriptor), std::move(text)};
}

/// Where people find the model: its page on the Hub, or its origin.
std::string source_url(const Origin& origin) {
  if (!origin.uri.starts_with(kHub) || origin.endpoint.empty()) return origin.uri;
  return origin.endpoint + "/" + origin.uri.substr(kHub.size());
}

/// Keys of the OCI image specification (annotations.md).
oci::Annotations annotations_of(const Manifest& release) {
  oci::Annotations out = {{"org.opencontainers.image.created", std::string(kCreated)},
                          {"org.opencontainers.image.title", release.name},
                          {"org.opencontainers.image.version", release.version},
                          {"org.opencontainers.image.source", source_url(release.origin)}};
  if (!release.origin.commit.empty())
    out["org.opencontainers.image.revision"] = release.origin.commit;
  if (!release.info.license.empty())
    out["org.opencontainers.image.licenses"] = release.info.license;
  return out;
}

std::string in_layer(const ManifestFile& file) {
  return fmt::format("/{}/{}", kModelRoot, file.path);
}

/// OLOT's annotations (containers/olot: olot/constants.py), for a layer of one file.
oci::Descriptor model_layer(const ModelBlob& blob) {
  oci::Descriptor out{
      .media_type = std::string(oci::media::kLayer), .digest = blob.digest, .size = blob.size};
  if (blob.files.size() != 1) {
    out.annotations["org.opencontainers.image.title"] = fmt::format("{} files", blob.files.size());
    return out;
  }
  const ManifestFile& file = *blob.files.front();
  out.annotations = {{"org.opencontainers.image.title", file.path},
                     {"olot.layer.content.digest", "sha256:" + file.sha256},
                     {"olot.layer.content.type", "file"},
                     {"olot.layer.content.inlayerpath", in_layer(file)},
                     {"olot.layer.content.name", std::string(name_of(file.path))}};
  if (file.path == kCard) out.annotations["io.opendatahub.modelcar.layer.type"] = "modelcard";
  return out;
}

bool is_card(const ModelBlob& blob) {
  return blob.files.size() == 1 && blob.files.front()->path == kCard;
}

/// modctl sorts files so (modelpack/model-spec, docs/spec.md).
std::string_view modelpack_kind(const std::string& path) {
  const auto ends = [&](std::initializer_list<std::string_view> endings) {
    return std::any_of(endings.begin(), endings.end(),
                       [&](std::string_view ending) { return path.ends_with(ending); });
  };
  if (is_weights(file_kind(path))) return "weight";
  if (ends({".md", ".pdf", ".png", ".jpg", ".jpeg", ".svg", ".gif"}) ||
      name_of(path).starts_with("LICENSE") || name_of(path).starts_with("NOTICE"))
    return "doc";
  if (ends({".py", ".sh", ".ipynb"})) return "code";
  return "weight.config";
}

Json modelpack_config(const Manifest& release, const std::vector<ModelBlob>& blobs) {
  Json descriptor = {{"createdAt", kCreated},
                     {"name", release.name},
                     {"version", release.version},
                     {"sourceURL", source_url(release.origin)}};
  if (!release.origin.commit.empty()) descriptor["revision"] = release.origin.commit;
  if (!release.info.license.empty()) descriptor["licenses"] = {release.info.license};
  Json config = Json::object();
  for (const auto& file : release.files)
    if (file_kind(file.path) == FileKind::safetensors) config["format"] = "safetensors";
  if (!release.transforms.empty()) config["quantization"] = transforms_text(release);
  Json ids = Json::array();
  for (const auto& blob : blobs) ids.insert(ids.end(), blob.files.size(), blob.digest);
  return {{"descriptor", std::move(descriptor)},
          {"config", std::move(config)},
          {"modelfs", {{"type", "layers"}, {"diffIds", std::move(ids)}}}};
}

oci::Descriptor modelpack_layer(const ModelBlob& blob, const ManifestFile& file) {
  const Json metadata = {
      {"name", name_of(file.path)}, {"mode", 0644},      {"uid", 0},     {"gid", 0},
      {"size", file.size},          {"mtime", kCreated}, {"typeflag", 0}};
  return {
      .media_type = fmt::format("application/vnd.cncf.model.{}.v1.raw", modelpack_kind(file.path)),
      .digest = blob.digest,
      .size = blob.size,
      .annotations = {{"org.cncf.model.filepath", file.path},
                      {"org.opencontainers.image.title", file.path},
                      {"org.cncf.model.file.metadata+json", dump_json(metadata)}}};
}

}  // namespace

std::vector<ModelBlob> blobs_of(const Manifest& release) {
  std::vector<ModelBlob> out;
  std::map<std::string, std::size_t> places;
  for (const auto& file : release.files) {
    const std::string& digest = file.blob.empty() ? file.etag : file.blob;
    oci::check_digest(digest, file.path);
    const auto [at, added] = places.emplace(digest, out.size());
    if (added) out.push_back({digest, 0, {}});
    out[at->second].files.push_back(&file);
  }
  for (auto& blob : out)
    std::stable_sort(blob.files.begin(), blob.files.end(),
                     [](const auto* a, const auto* b) { return a->blob_offset < b->blob_offset; });
  return out;
}

std::vector<ModelBlob> layers_of(const Manifest& release) {
  std::vector<ModelBlob> out;
  for (const auto& layer : release.layers) {
    out.push_back({layer.digest, layer.size, {}});
    for (const auto& place : layer.files) out.back().files.push_back(release.find(place.path));
  }
  return out;
}

BuiltImage modelcar_image(const Manifest& release, const std::vector<ModelBlob>& blobs,
                          const BaseImage& base) {
  oci::Config config = base.config;
  config.platform = base.platform;
  config.created = kCreated;
  config.settings.erase("Entrypoint");
  // Every layer has an entry, and every entry a time: some readers rely on both.
  if (config.history.size() != base.layers.size()) {
    config.history = Json::array();
    for (std::size_t i = 0; i < base.layers.size(); ++i)
      config.history.push_back({{"created", kCreated}, {"comment", base.name}});
  }
  oci::Manifest manifest;
  manifest.layers = base.layers;
  manifest.annotations = annotations_of(release);
  if (!base.name.empty()) {
    manifest.annotations["org.opencontainers.image.base.name"] = base.name;
    manifest.annotations["org.opencontainers.image.base.digest"] = base.digest;
  }
  for (const auto& blob : blobs) {
    manifest.layers.push_back(model_layer(blob));
    config.diff_ids.push_back(blob.digest);
    config.history.push_back(
        {{"created", kCreated},
         {"created_by", "dray import"},
         {"comment", manifest.layers.back().annotation("org.opencontainers.image.title")}});
    if (is_card(blob)) manifest.annotations["io.opendatahub.layers.modelcard"] = blob.digest;
  }
  BuiltImage out;
  out.config = text_of(std::string(oci::media::kConfig), oci::to_json_text(config));
  manifest.config = out.config.descriptor;
  out.manifest = text_of(manifest.media_type, oci::to_json_text(manifest));
  out.manifest.descriptor.platform = base.platform;
  return out;
}

BuiltImage modelpack_image(const Manifest& release, const std::vector<ModelBlob>& blobs) {
  constexpr std::string_view kType = "application/vnd.cncf.model.manifest.v1+json";
  BuiltImage out;
  out.config = text_of("application/vnd.cncf.model.config.v1+json",
                       dump_json(modelpack_config(release, blobs)));
  oci::Manifest manifest;
  manifest.artifact_type = kType;
  manifest.config = out.config.descriptor;
  manifest.annotations = annotations_of(release);
  for (const auto& blob : blobs)
    for (const auto* file : blob.files) manifest.layers.push_back(modelpack_layer(blob, *file));
  out.manifest = text_of(manifest.media_type, oci::to_json_text(manifest), std::string(kType));
  return out;
}

ImageText image_index(const Manifest& release, std::vector<oci::Descriptor> manifests,
                      const ImageText* artifact) {
  oci::Index index;
  index.manifests = std::move(manifests);
  if (artifact != nullptr) {
    index.manifests.push_back(artifact->descriptor);
    index.manifests.back().platform = {.os = "unknown", .architecture = "unknown", .variant = ""};
  }
  index.annotations = annotations_of(release);
  return text_of(index.media_type, oci::to_json_text(index));
}

oci::Manifest record_manifest(const Manifest& release, const std::string& record,
                              const oci::Descriptor& image) {
  oci::Manifest out;
  out.artifact_type = kRecordType;
  out.config = {
      .media_type = std::string(oci::media::kEmpty), .digest = oci::digest_of("{}"), .size = 2};
  out.layers = {{.media_type = std::string(kRecordType),
                 .digest = oci::digest_of(record),
                 .size = record.size(),
                 .annotations = {{"org.opencontainers.image.title", "release.json"}}}};
  out.subject =
      oci::Descriptor{.media_type = image.media_type, .digest = image.digest, .size = image.size};
  out.annotations = {{std::string(kRecordName), release.name},
                     {std::string(kRecordVersion), release.version}};
  return out;
}

}  // namespace dray
