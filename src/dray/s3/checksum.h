// The checksums that S3 services check: their names, and values of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/bytes.h"

namespace dray::s3 {

/// In the order in which they are preferred. Both are linear, so that the value of a whole object
/// follows from those of its parts.
enum class ChecksumKind { crc64nvme, crc32c };
inline constexpr ChecksumKind kChecksumKinds[] = {ChecksumKind::crc64nvme, ChecksumKind::crc32c};

struct Checksum {
  ChecksumKind kind = ChecksumKind::crc64nvme;
  std::uint64_t value = 0;
  bool operator==(const Checksum&) const = default;
};

Checksum checksum_of(ChecksumKind kind, Bytes bytes);
/// Of some bytes followed by others, from the checksum of each; both of one kind.
Checksum combine(const Checksum& a, const Checksum& b, std::uint64_t length_b);

std::string checksum_name(ChecksumKind kind);     // "CRC64NVME"
std::string checksum_header(ChecksumKind kind);   // "x-amz-checksum-crc64nvme"
std::string checksum_element(ChecksumKind kind);  // "ChecksumCRC64NVME"
/// Base64 of the big-endian value, as headers and XML carry it.
std::string checksum_text(const Checksum& checksum);
/// nullopt for composite checksums ("…-3") and anything else that is no value of this kind.
std::optional<Checksum> parse_checksum(ChecksumKind kind, std::string_view text);

/// Whether both are known, of one kind, and of different bytes.
bool contradict(const std::optional<Checksum>& a, const std::optional<Checksum>& b);

/// What a service states for an upload that was begun with a composite checksum: that of the parts'
/// checksums, and their number. All of one kind.
std::string composite_checksum(const std::vector<Checksum>& parts);

}  // namespace dray::s3
