// The manifests around a release's blobs. Pure: the same release gives the same bytes, whenever and
// wherever it is made.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dray/model/manifest.h"
#include "dray/oci/image.h"

namespace dray {

/// An image that a modelcar is built on; from nothing: a platform and nothing else.
struct BaseImage {
  std::string name;    // "registry/repository", "" from nothing
  std::string digest;  // of what `name` was resolved to
  oci::Platform platform;
  oci::Config config;
  std::vector<oci::Descriptor> layers;  // with OCI's media types
};

/// A document of an image and what names it.
struct ImageText {
  oci::Descriptor descriptor;
  std::string text;
};

/// One image: its configuration, then its manifest.
struct BuiltImage {
  ImageText config, manifest;
};

/// One blob of model files.
struct ModelBlob {
  std::string digest;
  std::uint64_t size = 0;
  std::vector<const ManifestFile*> files;  // in order of their place in it
};

/// The blobs that the manifest's files lie in, in bytewise order of each one's first path. Sizes
/// are left 0. Code::internal for a file that lies in none.
std::vector<ModelBlob> blobs_of(const Manifest& release);
/// The manifest's layers: blobs that hold the files once more.
std::vector<ModelBlob> layers_of(const Manifest& release);

/// An image that KServe serves as modelcar, native volume or by fetching (kserve
/// docs/samples/storage/oci-*): `models/` in uncompressed layers on top of the base's. No entry
/// point: KServe gives arguments only. The annotations of layers are OLOT's, which OpenShift AI's
/// tools read.
BuiltImage modelcar_image(const Manifest& release, const std::vector<ModelBlob>& blobs,
                          const BaseImage& base);

/// A CNCF ModelPack artifact (modelpack/model-spec: docs/spec.md, config.md, annotations.md) of raw
/// layers.
BuiltImage modelpack_image(const Manifest& release, const std::vector<ModelBlob>& blobs);

/// An index over images of several platforms, and the same model as an artifact. That has platform
/// unknown/unknown, as OLOT does it: who runs images passes over such entries.
ImageText image_index(const Manifest& release, std::vector<oci::Descriptor> manifests,
                      const ImageText* artifact = nullptr);

/// The release's record as an artifact that refers to the image.
inline constexpr std::string_view kRecordType = "application/vnd.dray.release.v1+json";
oci::Manifest record_manifest(const Manifest& release, const std::string& record,
                              const oci::Descriptor& image);
/// Annotations of it that tell of which release it is.
inline constexpr std::string_view kRecordName = "io.dray.release.name";
inline constexpr std::string_view kRecordVersion = "io.dray.release.version";

}  // namespace dray
