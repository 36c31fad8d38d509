#include "dray/store/oci_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/failpoint.h"
#include "dray/base/parallel.h"

namespace dray {

namespace {

constexpr std::size_t kLooksAtOnce = 8;

StoreProperties properties_of(const oci::Client& client) {
  StoreProperties out;
  out.uri = client.name();
  out.kind = "oci";
  out.blobs = true;
  return out;
}

const char* name_of(ImageFormat format) {
  switch (format) {
    case ImageFormat::modelcar:
      return "modelcar";
    case ImageFormat::modelpack:
      return "modelpack";
    case ImageFormat::both:
      return "both";
  }
  return "";
}

bool is_digest(const std::string& key) { return key.starts_with("sha256:"); }

const std::string& blob_of(const ManifestFile& file) {
  return file.blob.empty() ? file.etag : file.blob;
}

}  // namespace

OciStore::OciStore(OciStoreOptions options)
    : options_(std::move(options)),
      client_(std::make_shared<oci::Client>(options_.client)),
      properties_(properties_of(*client_)),
      state_(client_, options_.state) {}

void OciStore::preflight(const std::stop_token& stop) {
  options_.state->preflight(stop);
  client_->check_access(stop);
  if (options_.format != ImageFormat::modelpack) base(stop);
}

const BaseChoice& OciStore::base(const std::stop_token& stop) {
  const std::lock_guard lock(mutex_);
  try {
    if (!base_)
      base_ = choose_base(options_.base, options_.architectures, options_.open_repository, stop);
  } catch (const Error& error) {
    if (error.code() != Code::network && error.code() != Code::auth) throw;
    throw Error(error).hint(
        "the base image cannot be read: choose one that can with --base, a layout folder "
        "(--base oci:DIR), or --base scratch for images that KServe mounts or fetches" +
        (error.hint().empty() ? "" : "; " + error.hint()));
  }
  return *base_;
}

std::vector<PackedObject> OciStore::pack(const std::string& prefix,
                                         const std::vector<FileToStore>& files) const {
  if (options_.format == ImageFormat::modelpack) return pack_modelpack(prefix, files);
  if (options_.format == ImageFormat::both) return pack_both(prefix, files, options_.layers);
  return pack_modelcar(prefix, files, options_.layers);
}

std::uint64_t OciStore::size_of(const std::string& digest, const std::stop_token& stop) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = sizes_.find(digest); known != sizes_.end()) return known->second;
  }
  const auto size = client_->blob_size(digest, stop);
  if (!size)
    throw Error(Code::not_found, "the blob is not there")
        .on("look for", client_->name() + "@" + digest)
        .from(options_.client.side)
        .hint("the registry's clean-up may have removed it");
  const std::lock_guard lock(mutex_);
  return sizes_[digest] = *size;
}

void OciStore::find_sizes(std::vector<ModelBlob>& blobs, const std::stop_token& stop) {
  parallel_for(blobs.size(), kLooksAtOnce, stop, [&](std::size_t i, const std::stop_token& token) {
    blobs[i].size = size_of(blobs[i].digest, token);
  });
}

void OciStore::seal(Manifest& manifest, const std::stop_token& stop) {
  const bool both = options_.format == ImageFormat::both;
  std::vector<ModelBlob> blobs = blobs_of(manifest);
  std::vector<ModelBlob> layers = both ? layers_of(manifest) : blobs;
  find_sizes(blobs, stop);
  find_sizes(layers, stop);
  Json image = {{"format", name_of(options_.format)}};
  std::optional<ImageText> artifact;
  std::vector<ImageText> modelcars;
  if (options_.format != ImageFormat::modelcar)
    artifact = push(modelpack_image(manifest, blobs), stop);
  if (options_.format != ImageFormat::modelpack)
    modelcars = seal_modelcars(manifest, layers, image, stop);
  if (both) image["modelpack"] = artifact->descriptor.digest;
  if (both || modelcars.size() > 1) {
    std::vector<oci::Descriptor> entries;
    for (const ImageText& modelcar : modelcars) entries.push_back(modelcar.descriptor);
    const ImageText index =
        image_index(manifest, std::move(entries), artifact ? &*artifact : nullptr);
    client_->put_manifest(index.descriptor.digest, index.descriptor.media_type, index.text, stop);
    image["digest"] = index.descriptor.digest;
  } else {
    image["digest"] = (artifact ? *artifact : modelcars.front()).descriptor.digest;
  }
  failpoint("oci.image-put");
  manifest.image = std::move(image);
}

ImageText OciStore::push(BuiltImage image, const std::stop_token& stop) {
  client_->put_blob(image.config.descriptor.digest, as_bytes(image.config.text), stop);
  client_->put_manifest(image.manifest.descriptor.digest, image.manifest.descriptor.media_type,
                        image.manifest.text, stop);
  return std::move(image.manifest);
}

std::vector<ImageText> OciStore::seal_modelcars(const Manifest& release,
                                                const std::vector<ModelBlob>& blobs, Json& image,
                                                const std::stop_token& stop) {
  const BaseChoice& on = base(stop);
  std::vector<ImageText> out;
  image["platforms"] = Json::array();
  for (const BaseImage& platform : on.platforms) {
    for (const auto& layer : platform.layers) copy_base_blob(*on.images, layer, *client_, stop);
    out.push_back(push(modelcar_image(release, blobs, platform), stop));
    image["platforms"].push_back(platform.platform.text());
    if (!platform.name.empty()) image["base"] = platform.name + "@" + platform.digest;
  }
  return out;
}

PartLayout OciStore::layout(std::uint64_t object_size) const {
  return {.object_size = object_size, .part_size = options_.part_size, .in_order = true};
}

std::unique_ptr<Upload> OciStore::begin(const ObjectSpec& spec, const SavedUpload* saved,
                                        const std::stop_token& stop) {
  const PartLayout cut = layout_for(spec, layout(spec.size));
  if (saved != nullptr && saved->part_size == cut.part_size) {
    oci::UploadSession session;
    session.location = http::parse_url(saved->id);
    return std::make_unique<OciUpload>(client_, traits_, spec, cut, session, saved->parts, true);
  }
  return std::make_unique<OciUpload>(client_, traits_, spec, cut, client_->begin_upload(stop),
                                     std::vector<PutPart>(), false);
}

StoredObject OciStore::create(const ObjectSpec& spec, Bytes bytes, const std::string& sha256,
                              const std::stop_token& stop) {
  const std::string digest = "sha256:" + sha256;
  if (client_->blob_size(digest, stop) != bytes.size()) client_->put_blob(digest, bytes, stop);
  return {spec.key, bytes.size(), digest, std::nullopt, {}};
}

std::optional<StoredObject> OciStore::copy(const StoredObject& from, const ObjectSpec& spec,
                                           const std::stop_token& stop) {
  bool there = client_->blob_size(from.etag, stop) == spec.size;
  const std::string registry = client_->reference().host + "/";
  if (!there && from.key.starts_with(registry))
    there = client_->mount(from.etag, from.key.substr(registry.size()), stop) &&
            client_->blob_size(from.etag, stop) == spec.size;
  if (!there) return std::nullopt;
  return StoredObject{spec.key, spec.size, from.etag, std::nullopt, {}};
}

std::optional<Manifest> OciStore::release_of(const std::string& reference,
                                             const std::stop_token& stop) {
  const auto text = state_.record_text(reference, stop);
  if (!text) return std::nullopt;
  return parse_manifest(*text, "record of " + client_->name() + ":" + reference);
}

std::shared_ptr<const Manifest> OciStore::release_at(const std::string& key,
                                                     const std::stop_token& stop) {
  const auto release = release_of_key(key, options_.place);
  if (!release) return nullptr;
  return release_of_record(manifest_key(release->first, release->second), stop);
}

std::shared_ptr<const Manifest> OciStore::release_of_record(const std::string& key,
                                                            const std::stop_token& stop) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = releases_.find(key); known != releases_.end()) return known->second;
  }
  const auto text = state_.get(key, stop);
  if (!text) return nullptr;
  auto manifest = std::make_shared<const Manifest>(parse_manifest(*text, key));
  const std::lock_guard lock(mutex_);
  return releases_[key] = std::move(manifest);
}

std::optional<StoredObject> OciStore::stat(const std::string& key, const std::stop_token& stop) {
  if (is_digest(key)) {
    const auto size = client_->blob_size(key, stop);
    if (!size) return std::nullopt;
    return StoredObject{key, *size, key, std::nullopt, {}};
  }
  const auto release = release_at(key, stop);
  if (!release) return std::nullopt;
  const std::string prefix = release_prefix(release->name, release->version, options_.place);
  const ManifestFile* file = release->find(key.substr(prefix.size()));
  if (file == nullptr || !client_->blob_size(blob_of(*file), stop)) return std::nullopt;
  return StoredObject{key, file->size, blob_of(*file), std::nullopt, {}};
}

std::vector<Listed> OciStore::list(const std::string& prefix, const std::stop_token& stop) {
  std::vector<Listed> out;
  std::vector<std::shared_ptr<const Manifest>> releases;
  if (auto one = release_at(prefix + "x", stop)) {
    releases.push_back(std::move(one));
  } else if (place_root(options_.place).starts_with(prefix)) {
    for (const auto& item : state_.list(std::string(kStateRoot) + "releases/", stop))
      if (auto release = release_of_record(item.key, stop)) releases.push_back(std::move(release));
  }
  for (const auto& release : releases) {
    const std::vector<ModelBlob> blobs = blobs_of(*release);
    std::vector<std::optional<std::uint64_t>> sizes(blobs.size());
    parallel_for(blobs.size(), kLooksAtOnce, stop,
                 [&](std::size_t i, const std::stop_token& token) {
                   sizes[i] = client_->blob_size(blobs[i].digest, token);
                 });
    const std::string below = release_prefix(release->name, release->version, options_.place);
    for (std::size_t i = 0; i < blobs.size(); ++i)
      for (const ManifestFile* file : blobs[i].files)
        if (sizes[i]) out.push_back({below + file->path, file->size, blobs[i].digest});
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  return out;
}

std::vector<std::string> OciStore::list_names(const std::string& prefix,
                                              const std::stop_token& stop) {
  if (!prefix.starts_with(kStateRoot)) return {};
  return state_.list_names(prefix, stop);
}

void OciStore::read(const std::string& key, const std::string& etag, std::uint64_t offset,
                    MutableBytes out, const std::stop_token& stop) {
  if (is_digest(key)) {
    client_->read_blob(key, size_of(key, stop), offset, out, stop);
    return;
  }
  const auto release = release_at(key, stop);
  const std::string prefix =
      release ? release_prefix(release->name, release->version, options_.place) : "";
  const ManifestFile* file = release ? release->find(key.substr(prefix.size())) : nullptr;
  if (file == nullptr)
    throw Error(Code::not_found, "there is no such file")
        .on("read", key)
        .from(options_.client.side);
  const std::string& blob = blob_of(*file);
  if (!etag.empty() && etag != blob)
    throw Error(Code::precondition, "the file lies in another blob now")
        .on("read", key)
        .from(options_.client.side);
  client_->read_blob(blob, size_of(blob, stop), file->blob_offset + offset, out, stop);
}

void OciStore::remove(const std::string&, const std::stop_token&) {}

std::vector<UnfinishedUpload> OciStore::unfinished(const std::string&, const std::stop_token&) {
  return {};
}

void OciStore::abandon(const UnfinishedUpload& upload, const std::stop_token& stop) {
  oci::UploadSession session;
  session.location = http::parse_url(upload.id);
  client_->cancel_upload(session, stop);
}

std::string OciStore::remove_image(const std::string& tag, const std::string& digest,
                                   const std::stop_token& stop) {
  if (digest.empty()) {
    client_->delete_tag(tag.empty() ? "latest" : tag, stop);
    return "";
  }
  for (const std::string& other : client_->tags(stop))
    if (client_->manifest_digest(other, stop) == digest)
      return fmt::format("the tag {} names it too", other);
  client_->delete_manifest(digest, stop);
  return "";
}

std::string OciStore::serving_uri(const std::string& key) const {
  const auto release = release_of_key(key + "x", options_.place);
  return release ? client_->name() + ":" + release->second : client_->name();
}

}  // namespace dray
