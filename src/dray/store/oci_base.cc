#include "dray/store/oci_base.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "dray/base/error.h"
#include "dray/http/retry.h"
#include "dray/oci/layout.h"

namespace dray {

namespace {

const std::vector<std::string> kUsual = {"amd64", "arm64"};
constexpr std::uint64_t kMostConfig = 4 * kMiB;
constexpr std::size_t kPiece = 1 * kMiB;

/// Docker's types say the same as OCI's with other words.
std::string oci_layer_type(const oci::Descriptor& layer, const std::string& base) {
  if (layer.media_type == oci::media::kDockerLayer) return std::string(oci::media::kLayer);
  if (layer.media_type == oci::media::kDockerLayerGzip) return std::string(oci::media::kLayerGzip);
  if (layer.media_type == oci::media::kLayer || layer.media_type == oci::media::kLayerGzip)
    return layer.media_type;
  throw Error(Code::unsupported, fmt::format("it has a layer of type {}", layer.media_type))
      .on("build on", base)
      .hint("KServe reads tar and tar+gzip layers; choose another --base");
}

struct Named {
  std::shared_ptr<oci::Images> images;
  std::string reference;  // within them
  std::string name;       // "registry/repository" or the folder
};

Named open_base(std::string_view base, const OpenRepository& open) {
  if (oci::is_layout(base)) {
    auto [folder, name] = oci::parse_layout(base);
    return {std::make_shared<oci::Layout>(std::move(folder)), std::move(name), ""};
  }
  const std::string text(base);
  const oci::Reference reference =
      oci::parse_reference(text.find("://") == std::string::npos ? "oci://" + text : text);
  std::string wanted = reference.digest.empty() ? reference.tag : reference.digest;
  if (wanted.empty()) wanted = "latest";
  return {open(reference), wanted, reference.host + "/" + reference.repository};
}

Error missing(std::string_view base, std::string message) {
  return Error(Code::not_found, std::move(message))
      .on("build on", std::string(base))
      .hint(
          "choose an image that is there with --base, or --base scratch for images that KServe "
          "mounts or fetches without a shell");
}

oci::ManifestText read(const Named& base, const std::string& reference,
                       const std::stop_token& stop) {
  auto text = base.images->manifest(reference, stop);
  if (!text) throw missing(base.images->name(), fmt::format("there is no {}", reference));
  return *text;
}

BaseImage platform_of(const Named& base, const std::string& digest, const oci::ManifestText& text,
                      const std::stop_token& stop) {
  const std::string what = base.images->name();
  const oci::Manifest manifest = oci::parse_image_manifest(text.text, what);
  BaseImage out;
  out.name = base.name;
  out.digest = digest;
  out.config =
      oci::parse_image_config(base.images->small_blob(manifest.config, kMostConfig, stop), what);
  out.platform = out.config.platform;
  out.layers = manifest.layers;
  for (auto& layer : out.layers) layer.media_type = oci_layer_type(layer, what);
  if (out.config.diff_ids.size() != out.layers.size())
    throw Error(Code::malformed, "its configuration does not fit its layers").on("build on", what);
  return out;
}

std::vector<BaseImage> from_nothing(const std::vector<std::string>& architectures) {
  std::vector<BaseImage> out;
  for (const auto& architecture : architectures) {
    BaseImage image;
    image.platform = {.os = "linux", .architecture = architecture, .variant = ""};
    out.push_back(std::move(image));
  }
  return out;
}

/// The index's entry for each architecture; those that were not asked for by name may be missing.
std::vector<oci::Descriptor> entries_for(const oci::Index& index,
                                         const std::vector<std::string>& wanted, bool by_name,
                                         std::string_view base) {
  std::vector<oci::Descriptor> out;
  std::vector<std::string> there;
  for (const auto& entry : index.manifests)
    if (entry.platform && entry.platform->os == "linux")
      there.push_back(entry.platform->architecture);
  for (const auto& architecture : wanted) {
    const auto found = std::find_if(index.manifests.begin(), index.manifests.end(),
                                    [&](const oci::Descriptor& entry) {
                                      return entry.platform && entry.platform->os == "linux" &&
                                             entry.platform->architecture == architecture;
                                    });
    if (found != index.manifests.end())
      out.push_back(*found);
    else if (by_name)
      throw missing(base, fmt::format("it has no image for {}, but for {}", architecture,
                                      fmt::join(there, ", ")));
  }
  if (out.empty())
    throw missing(base, "it has no image for " + fmt::format("{}", fmt::join(wanted, " or ")));
  return out;
}

}  // namespace

BaseChoice choose_base(std::string_view base, const std::vector<std::string>& architectures,
                       const OpenRepository& open, const std::stop_token& stop) {
  const std::vector<std::string>& wanted = architectures.empty() ? kUsual : architectures;
  if (base == kNoBase) return {nullptr, from_nothing(wanted)};
  const Named named = open_base(base, open);
  const oci::ManifestText top = read(named, named.reference, stop);
  BaseChoice out{named.images, {}};
  if (!oci::is_index(top.media_type)) {
    out.platforms.push_back(platform_of(named, top.digest, top, stop));
    const std::string& has = out.platforms.front().platform.architecture;
    if (!architectures.empty() && architectures != std::vector<std::string>{has})
      throw missing(base, fmt::format("it is an image for {} only", has));
    return out;
  }
  const oci::Index index = oci::parse_image_index(top.text, named.images->name());
  for (const auto& entry : entries_for(index, wanted, !architectures.empty(), base)) {
    BaseImage image = platform_of(named, top.digest, read(named, entry.digest, stop), stop);
    image.platform = *entry.platform;  // may say more than the configuration: the variant
    out.platforms.push_back(std::move(image));
  }
  return out;
}

void copy_base_blob(oci::Images& from, const oci::Descriptor& blob, oci::Client& to,
                    const std::stop_token& stop) {
  if (to.blob_size(blob.digest, stop)) return;
  const auto* registry = dynamic_cast<const oci::Client*>(&from);
  if (registry != nullptr && registry->reference().host == to.reference().host &&
      to.mount(blob.digest, registry->reference().repository, stop))
    return;
  http::Retrier retrier({});
  for (;;) {
    oci::UploadSession session = to.begin_upload(stop);
    try {
      std::vector<std::byte> piece(kPiece);
      std::uint64_t read = 0;
      std::size_t at = 0, end = 0;
      const http::BodyStream body{
          [&](MutableBytes out) -> std::size_t {
            if (at == end) {
              at = 0;
              end = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, blob.size - read));
              if (end == 0) return 0;
              from.read_blob(blob.digest, blob.size, read, MutableBytes(piece).first(end), stop);
              read += end;
            }
            const std::size_t size = std::min(out.size(), end - at);
            std::memcpy(out.data(), piece.data() + at, size);
            at += size;
            return size;
          },
          blob.size};
      to.patch_stream(session, body, stop);
      to.finish_upload(session, blob.digest, blob.size, {}, stop);
      return;
    } catch (const Error& error) {
      retrier.failed(error.retry() == Retry::ambiguous ? Error(error).transient() : error, stop);
    }
  }
}

}  // namespace dray
