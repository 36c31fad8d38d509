// Tar layers as values: every byte that is not a member's own follows from names and sizes, so that
// a layer's size and places are known before the first byte is read. Members are byte for byte what
// GNU tar writes with --format=gnu --numeric-owner --owner=0 --group=0, never PAX: some scanners of
// registries take a PAX member's size for 0.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/bytes.h"

namespace dray::tar {

inline constexpr std::uint32_t kFileMode = 0644, kFolderMode = 0755;

/// The headers before a file's data: 512 bytes, or 1536 and more where the name is longer than 100
/// bytes. `mtime` in seconds since 1970, at most 2^63-1. Paths are relative, '/'-separated, without
/// empty, "." and ".." parts and NULs, at most 4096 bytes, else Code::malformed; parts that begin
/// with ".wh." are Code::unsupported, since an image takes them for deletions.
Buffer file_header(std::string_view path, std::uint64_t size, std::uint32_t mode = kFileMode,
                   std::uint64_t mtime = 0);

/// The headers of a folder, with or without a '/' at the end of `path`; a folder has no data.
Buffer folder_header(std::string_view path, std::uint32_t mode = kFolderMode,
                     std::uint64_t mtime = 0);

/// The two blocks of zeros that end an archive.
Buffer archive_end();

/// A file that goes into a layer; its path as it stands in the archive ("models/config.json").
struct Member {
  std::string path;
  std::uint64_t size = 0;
};

/// A stretch of a layer: given bytes, or all the data of one member.
struct Piece {
  std::uint64_t offset = 0;           // in the layer
  Buffer literal;                     // empty where `member` is set
  std::optional<std::size_t> member;  // index in the list that was planned
};

struct LayerPlan {
  std::vector<Piece> pieces;                // in order and without gaps; none is empty
  std::vector<std::uint64_t> data_offsets;  // of each member's data, in the order of the list
  std::uint64_t size = 0;                   // of the whole layer
};

struct LayerAttributes {
  std::uint32_t file_mode = kFileMode, folder_mode = kFolderMode;
  std::uint64_t mtime = 0;  // of every member, seconds since 1970
};

/// Every folder above a member, without '/' at the end, sorted and each once.
std::vector<std::string> parent_folders(std::span<const Member> members);

/// The layer that holds `members` in bytewise order of their paths, however the list is ordered,
/// and each of `folders` before the first member below it. A path twice, a file that is also the
/// folder of another, a layer of 2^63 bytes or more are Code::malformed, and so is a folder above
/// no member; paths are checked as by file_header().
LayerPlan plan_layer(std::span<const Member> members, std::span<const std::string> folders,
                     const LayerAttributes& attributes = {});

}  // namespace dray::tar
