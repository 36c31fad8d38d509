// The manifest: the record of one release. Format: docs/formats/manifest.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/json.h"
#include "dray/base/time.h"
#include "dray/model/snapshot.h"
#include "dray/model/weight_error.h"

namespace dray {

struct ManifestFile {
  std::string path;
  std::uint64_t size = 0;
  std::string sha256;           // always known: computed on the way
  std::string git_sha1;         // where the publisher states it
  std::uint64_t part_size = 0;  // 0 for an object made in one piece
  std::vector<std::uint64_t>
      part_crc64;    // CRC64NVME of each part; one entry for an object in one piece
  std::string etag;  // the store's, "" where it has none
  /// Where the file is part of a larger blob: that one's digest ("sha256:<hex>"), and the place of
  /// the file's first byte in it. "" where the file is an object of its own.
  std::string blob;
  std::uint64_t blob_offset = 0;
  std::vector<WeightError> weights;  // of those that were quantized on the way, sorted by name
  bool operator==(const ManifestFile&) const = default;
};

/// A blob that holds files a second time.
struct ManifestLayer {
  struct Place {
    std::string path;
    std::uint64_t offset = 0;  // of the file's first byte
    bool operator==(const Place&) const = default;
  };
  std::string digest;  // "sha256:<hex>"
  std::uint64_t size = 0;
  std::vector<Place> files;  // in order, at least one
  bool operator==(const ManifestLayer&) const = default;
};

struct Manifest {
  std::string name;
  std::string version;
  Origin origin;
  ModelInfo info;
  std::vector<ManifestFile> files;            // sorted by path, unique
  std::vector<std::string> include, exclude;  // the selection's patterns, as given
  bool all_files = false;
  Json transforms = Json::array();  // in order; empty for a plain import
  Json lineage = Json::object();
  /// Of a release in an OCI registry: what was made around its files. Null elsewhere.
  Json image = nullptr;
  std::vector<ManifestLayer> layers;  // layers of an image beside the files as they are
  std::vector<std::string> allows;    // rules that were allowed, e.g. "unverified-source"
  UnixTime created = 0;
  std::string created_by;   // "dray/0.1.0"
  std::string root_digest;  // "sha256:<hex>", see root_digest_of

  std::uint64_t total_bytes() const;
  const ManifestFile* find(std::string_view path) const;
  bool operator==(const Manifest&) const = default;
};

/// "sha256:<hex>" over the lines "<sha256>  <size>  <path>\n" of all files, sorted by path
/// bytewise: one value that names the whole content.
std::string root_digest_of(const std::vector<ManifestFile>& files);

/// "W4A16 (rtn)": what was done to the files on the way; "" for a release that is as published.
std::string transforms_text(const Manifest& manifest);

/// Canonical JSON text (sorted keys, two-space indentation): equal manifests give equal bytes.
std::string to_json_text(const Manifest& manifest);
/// Throws Code::malformed: size/depth limits, wrong types, unsafe paths, a root digest that does
/// not fit, a format version newer than this reader's ("read it with dray …"). Unknown fields are
/// ignored.
Manifest parse_manifest(std::string_view text, std::string_view what);

}  // namespace dray
