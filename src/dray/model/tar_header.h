// One 512-byte header block of a tar archive. Formats: POSIX.1-1988 (ustar) and the GNU tar manual,
// "Basic Tar Format" and "GNU Extensions to the Archive Format".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dray/base/bytes.h"

namespace dray::tar {

/// Headers and data begin at multiples of this many bytes.
inline constexpr std::uint64_t kBlock = 512;
/// Bytes of a member, and of an archive, at most: other tools count in signed 64 bits.
inline constexpr std::uint64_t kLargestSize = INT64_MAX;
/// Bytes of a name or link target at most (PATH_MAX of Linux).
inline constexpr std::size_t kLongestName = 4096;
/// Bytes of a name or link target that a header itself holds.
inline constexpr std::size_t kShortName = 100;

/// Zero bytes that follow data of this many bytes.
constexpr std::uint64_t padding(std::uint64_t size) { return (kBlock - size % kBlock) % kBlock; }

/// The type flags that are acted upon; all others are members of no use here.
namespace flag {
inline constexpr char kFile = '0', kOldFile = '\0', kContiguous = '7', kHardLink = '1',
                      kSymlink = '2', kCharacterDevice = '3', kBlockDevice = '4', kFolder = '5',
                      kFifo = '6', kPax = 'x', kOldPax = 'X', kGlobalPax = 'g', kLongName = 'L',
                      kLongLink = 'K', kSparse = 'S', kContinuation = 'M';
}  // namespace flag

/// What a header says; names as they stand there, without a check.
struct Header {
  std::string name;  // ustar's prefix and name are joined
  std::string link_name;
  std::uint32_t mode = 0;   // permission bits only
  std::uint64_t size = 0;   // at most kLargestSize
  std::int64_t mtime = 0;   // seconds since 1970
  char type = flag::kFile;  // one of `flag`, or another
};

/// Appends the block in the GNU format: owner and group 0 and without names; numbers that do not
/// fit their octal digits in base 256. Names are cut to kShortName bytes. Times before 1970 are a
/// bug of the caller.
void append_header(Buffer& out, const Header& header);

/// Reads v7, ustar (with its prefix), star and GNU headers; nullopt for a block of zeros. `offset`
/// is where the block lies in the archive, `what` names the archive. A wrong checksum (sums of
/// signed and of unsigned bytes are both right) and numbers that are none are Code::malformed.
std::optional<Header> parse_header(Bytes block, std::uint64_t offset, std::string_view what);

/// Throws Code::malformed: "`what`: `why` (at byte `offset`)".
[[noreturn]] void refuse(std::string_view what, std::uint64_t offset, const std::string& why);

}  // namespace dray::tar
