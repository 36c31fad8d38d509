// What a source holds at one commit: the exact list of files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dray {

/// Digests a publisher states for a file; lower-case hex, "" where not stated.
struct Digests {
  std::string sha256;    // of the content (Hub: LFS oid)
  std::string git_sha1;  // git blob id of the content (Hub: files kept in git)
  bool any() const { return !sha256.empty() || !git_sha1.empty(); }
  bool operator==(const Digests&) const = default;
};

struct FileEntry {
  std::string path;  // relative, '/'-separated, checked (base/path.h)
  std::uint64_t size = 0;
  Digests digests;
  bool operator==(const FileEntry&) const = default;
};

/// Where a model comes from, for the manifest and the registry. Files of kind "dir" need no stated
/// digest: a local folder is its own publisher, and what is stored is what was read. Nor need those
/// of kind "oci": such a source proves the layer that a file lies in. A model from the Hub's cache
/// is of kind "hf".
struct Origin {
  std::string kind;      // "hf", "dir", "s3", "oci", "release"
  std::string uri;       // "hf://org/name" without revision; canonical
  std::string revision;  // as asked for ("main"), "" where the source has none
  std::string commit;    // what it was resolved to; "" where the source has none
  std::string endpoint;  // the Hub's or mirror's base URL, "" where none
  bool operator==(const Origin&) const = default;
};

/// Facts about the model that some sources know; all optional, for cards, registry and estimates.
struct ModelInfo {
  std::string license;
  std::string library;       // "transformers"
  std::string pipeline_tag;  // "text-generation"
  std::vector<std::string> base_models;
  std::vector<std::string> tags;
  std::vector<std::string> languages;
  bool gated = false;
  bool is_private = false;
  bool operator==(const ModelInfo&) const = default;
};

struct Snapshot {
  Origin origin;
  std::string default_name;      // last part of the source's path as typed
  std::vector<FileEntry> files;  // sorted by path (bytewise), unique
  ModelInfo info;
  std::uint64_t total_bytes() const;
  const FileEntry* find(std::string_view path) const;
};

}  // namespace dray
