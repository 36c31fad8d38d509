#include "dray/model/tar_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "dray/base/error.h"

namespace dray::tar {

namespace {

struct Field {
  std::size_t offset, length;
};
constexpr Field kName{0, kShortName}, kMode{100, 8}, kOwner{108, 8}, kGroup{116, 8}, kSize{124, 12},
    kMtime{136, 12}, kChecksum{148, 8}, kType{156, 1}, kLinkName{157, kShortName}, kMagic{257, 8},
    kPrefix{345, 155}, kStarPrefix{345, 131}, kStarTrailer{508, 4};

constexpr std::string_view kGnuMagic = "ustar  ";         // with the NUL that ends it: 8 bytes
constexpr std::string_view kUstarMagic{"ustar\0", 6};     // a version follows
constexpr std::string_view kStarTrailerText{"tar\0", 4};  // star's headers: a shorter prefix

std::string_view text_at(Bytes block, Field field) {
  return as_text(block.subspan(field.offset, field.length));
}

/// Up to the first NUL; a name that fills its field has none.
std::string_view name_at(Bytes block, Field field) {
  const auto text = text_at(block, field);
  return text.substr(0, text.find('\0'));
}

bool is_blank(char c) { return c == ' ' || c == '\0'; }

/// Octal digits between spaces and NULs; a field without digits is 0. Twelve digits, the most of
/// any field, are 36 bits.
std::optional<std::uint64_t> octal(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '7') return std::nullopt;
    value = value << 3 | static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

/// GNU's form of large and negative numbers: big-endian two's complement, of which the first byte
/// (0x80 or 0xFF) is the sign.
std::optional<std::int64_t> base256(std::string_view text) {
  const bool negative = text.front() == '\xFF';
  const char filler = negative ? '\xFF' : '\0';
  if (!negative && text.front() != '\x80') return std::nullopt;
  const std::size_t low = std::max<std::size_t>(text.size() - 8, 1);
  for (std::size_t i = 1; i < low; ++i)
    if (text[i] != filler) return std::nullopt;
  std::uint64_t value = negative ? UINT64_MAX : 0;
  for (const char c : text.substr(low)) value = value << 8 | static_cast<unsigned char>(c);
  if ((value > kLargestSize) != negative) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

std::optional<std::int64_t> number_at(Bytes block, Field field) {
  const auto text = text_at(block, field);
  if ((static_cast<unsigned char>(text.front()) & 0x80U) != 0) return base256(text);
  const auto value = octal(text);
  if (!value) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

/// Sums over the block with the checksum's own field taken for spaces.
struct Sums {
  std::int64_t as_unsigned = 0, as_signed = 0;
};

Sums sums_of(Bytes block) {
  Sums sums;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool own = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.length;
    const auto byte = own ? std::uint8_t{' '} : std::to_integer<std::uint8_t>(block[i]);
    sums.as_unsigned += byte;
    sums.as_signed += static_cast<std::int8_t>(byte);
  }
  return sums;
}

void put_text(MutableBytes block, Field field, std::string_view text) {
  const auto bytes = as_bytes(text.substr(0, field.length));
  std::copy(bytes.begin(), bytes.end(), block.begin() + static_cast<std::ptrdiff_t>(field.offset));
}

/// Octal digits and a NUL where they fit, else base 256.
void put_number(MutableBytes block, Field field, std::uint64_t value) {
  const std::size_t digits = field.length - 1;
  if (value >> (3 * digits) == 0) {
    put_text(block, field, fmt::format("{:0{}o}", value, digits));
    return;
  }
  for (std::size_t i = field.length; i-- > 1; value >>= 8)
    block[field.offset + i] = static_cast<std::byte>(value & 0xFF);
  block[field.offset] = std::byte{0x80};
}

}  // namespace

void refuse(std::string_view what, std::uint64_t offset, const std::string& why) {
  throw Error(Code::malformed, fmt::format("{}: {} (at byte {})", what, why, offset))
      .hint("the archive is damaged, cut short or no tar archive");
}

void append_header(Buffer& out, const Header& header) {
  assert(header.mtime >= 0);
  const std::size_t start = out.size();
  out.resize(start + kBlock);
  const MutableBytes block = MutableBytes(out).subspan(start);
  put_text(block, kName, header.name);
  put_number(block, kMode, header.mode);
  put_number(block, kOwner, 0);
  put_number(block, kGroup, 0);
  put_number(block, kSize, header.size);
  put_number(block, kMtime, static_cast<std::uint64_t>(header.mtime));
  put_text(block, kType, {&header.type, 1});
  put_text(block, kLinkName, header.link_name);
  put_text(block, kMagic, kGnuMagic);
  // Six digits, a NUL and a space: so the first tar did it, and all others since.
  put_text(block, kChecksum, fmt::format("{:06o}{}{}", sums_of(block).as_unsigned, '\0', ' '));
}

std::optional<Header> parse_header(Bytes block, std::uint64_t offset, std::string_view what) {
  assert(block.size() == kBlock);
  if (std::all_of(block.begin(), block.end(), [](std::byte b) { return b == std::byte{0}; }))
    return std::nullopt;

  const auto sums = sums_of(block);
  const auto stated = octal(text_at(block, kChecksum));
  const auto sum = static_cast<std::int64_t>(stated.value_or(0));
  if (!stated || (sum != sums.as_unsigned && sum != sums.as_signed))
    refuse(what, offset, "the checksum of a tar header is wrong");

  Header header;
  header.type = text_at(block, kType).front();
  header.name = name_at(block, kName);
  header.link_name = name_at(block, kLinkName);
  if (text_at(block, kMagic).starts_with(kUstarMagic)) {
    const bool star = text_at(block, kStarTrailer) == kStarTrailerText;
    if (const auto prefix = name_at(block, star ? kStarPrefix : kPrefix); !prefix.empty())
      header.name = fmt::format("{}/{}", prefix, header.name);
  }

  const auto size = number_at(block, kSize);
  if (!size || *size < 0) refuse(what, offset, "the size in a tar header is no number below 2^63");
  const auto mode = number_at(block, kMode);
  if (!mode || *mode < 0) refuse(what, offset, "the mode in a tar header is no number");
  const auto mtime = number_at(block, kMtime);
  if (!mtime) refuse(what, offset, "the time in a tar header is no number");
  header.size = static_cast<std::uint64_t>(*size);
  header.mode = static_cast<std::uint32_t>(*mode & 07777);
  header.mtime = *mtime;
  return header;
}

}  // namespace dray::tar
