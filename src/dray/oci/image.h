// Manifests, indexes and configurations of images and artifacts as values, and their JSON
// (OCI image-spec 1.1: manifest.md, image-index.md, config.md, descriptor.md; Docker's
// image manifest v2 schema 2 has the same shape).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/json.h"

namespace dray::oci {

namespace media {
inline constexpr std::string_view kManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kLayer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view kLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view kEmpty = "application/vnd.oci.empty.v1+json";
inline constexpr std::string_view kDockerManifest =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerList =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kDockerLayer = "application/vnd.docker.image.rootfs.diff.tar";
inline constexpr std::string_view kDockerLayerGzip =
    "application/vnd.docker.image.rootfs.diff.tar.gzip";
}  // namespace media

using Annotations = std::map<std::string, std::string>;

struct Platform {
  std::string os, architecture, variant;
  /// "linux/arm64/v8"
  std::string text() const;
  bool operator==(const Platform&) const = default;
};

/// Names content: what it is, its digest ("sha256:<hex>") and size.
struct Descriptor {
  std::string media_type, digest;
  std::uint64_t size = 0;
  std::string artifact_type = {};
  Annotations annotations = {};
  std::optional<Platform> platform = {};
  std::string annotation(std::string_view key) const;  // "" if absent
  bool operator==(const Descriptor&) const = default;
};

/// An image, or an artifact (then with an artifact type, its own or its configuration's).
struct Manifest {
  std::string media_type{media::kManifest};
  std::string artifact_type = {};
  Descriptor config = {};
  std::vector<Descriptor> layers = {};
  std::optional<Descriptor> subject = {};
  Annotations annotations = {};
};

/// Several manifests under one name, by platform.
struct Index {
  std::string media_type{media::kIndex};
  std::string artifact_type = {};
  std::vector<Descriptor> manifests = {};
  std::optional<Descriptor> subject = {};
  Annotations annotations = {};
};

/// What runs an image needs to know; `rest` keeps every other field as it was read.
struct Config {
  Platform platform;
  std::string created;                // RFC 3339, "" if absent
  std::vector<std::string> diff_ids;  // digests of the uncompressed layers, in order
  Json history = Json::array();
  Json settings = Json::object();  // "config": user, environment, labels …
  Json rest = Json::object();
};

inline constexpr std::uint64_t kMaxManifest = 4 << 20;  // what registries take at least and at most

/// "sha256:<hex>" of the bytes.
std::string digest_of(std::string_view content);
/// Throws Code::malformed unless it is "sha256:" and 64 lower-case hexadecimal digits (or sha512
/// and 128), which is what may go into a URL.
void check_digest(std::string_view digest, std::string_view what);

/// Compact JSON with sorted keys: equal values give equal bytes, hence equal digests.
std::string to_json_text(const Manifest& manifest);
std::string to_json_text(const Index& index);
std::string to_json_text(const Config& config);

/// Whether a media type is an index's (or Docker's manifest list's).
bool is_index(std::string_view media_type);
/// Throw Code::malformed (size, depth, types, digests) and Code::unsupported for schema 1.
Manifest parse_image_manifest(std::string_view text, std::string_view what);
Index parse_image_index(std::string_view text, std::string_view what);
Config parse_image_config(std::string_view text, std::string_view what);
/// The media type that the text states, or what its fields make it.
std::string media_type_of(std::string_view text, std::string_view what);

}  // namespace dray::oci
