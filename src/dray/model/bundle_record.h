// The record of a bundle: what is carried over an air gap. Format: docs/formats/bundle.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dray {

struct BundleFile {
  std::string path;  // below the release's folder, checked
  std::uint64_t size = 0;
  std::string sha256;
  std::string in;  // id of the earlier bundle that holds it; "" = this one
  bool operator==(const BundleFile&) const = default;
};

struct BundleRelease {
  std::string name, version;
  std::string root_digest;           // "sha256:<hex>"
  std::uint64_t manifest_size = 0;   // of the manifest's text, which every bundle holds
  std::string manifest_sha256;       // … and its digest
  std::vector<BundleFile> files;     // all of the release, sorted by path
  bool whole() const;                // no file is left out
  std::uint64_t bytes_here() const;  // of the files that this bundle holds
  std::string reference() const { return name + ":" + version; }
  bool operator==(const BundleRelease&) const = default;
};

/// A bundle that holds files which are left out of this one.
struct EarlierBundle {
  std::string id;
  std::string name;                   // what its file or folder was called, for people
  std::vector<std::string> releases;  // "llama:1.0.0"
  bool operator==(const EarlierBundle&) const = default;
};

/// The files that a bundle was cut into; their names follow from that of the index.
struct BundleVolumes {
  struct Volume {
    std::uint64_t size = 0;
    std::string sha256;
    std::string head_sha256;  // of its first kBundleHead bytes
    bool operator==(const Volume&) const = default;
  };
  bool split = false;             // false: one file without a number
  std::uint64_t volume_size = 0;  // of each but the last
  std::vector<Volume> list;
  std::uint64_t total() const;
  /// "" where it is not split, else ".000": as many digits as sort, at least three.
  std::string suffix(std::size_t index) const;
  bool operator==(const BundleVolumes&) const = default;
};

/// How much of a volume tells whether it is the right one, before all of it is read.
inline constexpr std::uint64_t kBundleHead = 1 << 20;
inline constexpr std::size_t kMostVolumes = 10'000;

struct BundleRecord {
  std::string id;     // bundle_id() of the releases
  std::string store;  // the store that it was made from
  std::string created_by;
  std::vector<BundleRelease> releases;   // sorted by name and version
  std::vector<EarlierBundle> needs;      // those that `in` names, in the order to be loaded in
  std::optional<BundleVolumes> volumes;  // of an index, which lies beside the volumes
  std::uint64_t bytes_here() const;
  std::uint64_t bytes_left_out() const;
  std::size_t files_here() const;
  std::size_t files_left_out() const;
  bool operator==(const BundleRecord&) const = default;
};

/// "sha256:<hex>" over the releases with all their files and where these lie: equal bundles have
/// equal ids, in whatever form they are.
std::string bundle_id(const std::vector<BundleRelease>& releases);

/// Canonical JSON text.
std::string to_json_text(const BundleRecord& record);
/// Throws Code::malformed: size and depth limits, wrong types, unsafe or doubled paths and names,
/// an id or root digest that does not fit, sizes that do not add up; Code::unsupported for a later
/// format. Unknown fields are ignored.
BundleRecord parse_bundle_record(std::string_view text, std::string_view what);

}  // namespace dray
