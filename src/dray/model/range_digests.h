// Digests of the pieces of large files, so that a later version need not send what it shares with
// this one. Format: docs/formats/range-digests.md.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "dray/model/safetensors.h"

namespace dray {

/// A range of a file and the SHA-256 of its bytes.
struct RangeDigest {
  ByteRange range;
  std::array<std::byte, Sha256::kSize> sha256{};
  bool operator==(const RangeDigest&) const = default;
};

/// What is recorded of one file.
struct FileRanges {
  std::string path;
  std::uint64_t size = 0;
  std::string sha256;               // of the file, hex
  std::vector<RangeDigest> ranges;  // ascending, not overlapping; need not be all of the file
  bool operator==(const FileRanges&) const = default;
};

/// What is recorded of a release.
struct RangeRecord {
  std::string name, version;
  std::vector<FileRanges> files;
  const FileRanges* find(std::string_view path) const;
  bool operator==(const RangeRecord&) const = default;
};

std::string range_record_text(const RangeRecord& record);
/// Throws Code::malformed (limits, ranges that overlap or leave their file) and Code::unsupported
/// for a newer format version.
RangeRecord parse_range_record(std::string_view text, std::string_view what);

/// A piece is no longer than this.
inline constexpr std::uint64_t kPieceSize = 8 * kMiB;

/// Where the pieces end of a file of which nothing but its size is known: at multiples of
/// kPieceSize.
std::vector<std::uint64_t> piece_ends(std::uint64_t size);
/// … of a safetensors file: with its header and with each tensor, long ones in between. So the
/// pieces of a tensor are the same wherever in a file it lies.
std::vector<std::uint64_t> piece_ends(const SafetensorsHeader& header, std::uint64_t size);

}  // namespace dray
