#include "dray/s3/checksum.h"

#include <fmt/format.h>

#include "dray/base/crc.h"

namespace dray::s3 {

namespace {

std::size_t width(ChecksumKind kind) { return kind == ChecksumKind::crc64nvme ? 8 : 4; }

void append(Buffer& out, const Checksum& checksum) {
  for (std::size_t left = width(checksum.kind); left-- > 0;)
    out.push_back(static_cast<std::byte>(checksum.value >> (8 * left) & 255));
}

}  // namespace

Checksum checksum_of(ChecksumKind kind, Bytes bytes) {
  return {kind, kind == ChecksumKind::crc64nvme ? crc64nvme(0, bytes) : crc32c(0, bytes)};
}

Checksum combine(const Checksum& a, const Checksum& b, std::uint64_t length_b) {
  if (a.kind == ChecksumKind::crc64nvme)
    return {a.kind, crc64nvme_combine(a.value, b.value, length_b)};
  return {a.kind, crc32c_combine(static_cast<std::uint32_t>(a.value),
                                 static_cast<std::uint32_t>(b.value), length_b)};
}

std::string checksum_name(ChecksumKind kind) {
  return kind == ChecksumKind::crc64nvme ? "CRC64NVME" : "CRC32C";
}

std::string checksum_header(ChecksumKind kind) {
  return kind == ChecksumKind::crc64nvme ? "x-amz-checksum-crc64nvme" : "x-amz-checksum-crc32c";
}

std::string checksum_element(ChecksumKind kind) { return "Checksum" + checksum_name(kind); }

std::string checksum_text(const Checksum& checksum) {
  Buffer bytes;
  append(bytes, checksum);
  return to_base64(bytes);
}

std::optional<Checksum> parse_checksum(ChecksumKind kind, std::string_view text) {
  const auto bytes = from_base64(text);
  if (!bytes || bytes->size() != width(kind)) return std::nullopt;
  Checksum out{kind, 0};
  for (const std::byte b : *bytes) out.value = out.value << 8 | std::to_integer<std::uint64_t>(b);
  return out;
}

bool contradict(const std::optional<Checksum>& a, const std::optional<Checksum>& b) {
  return a && b && a->kind == b->kind && a->value != b->value;
}

std::string composite_checksum(const std::vector<Checksum>& parts) {
  Buffer all;
  for (const Checksum& part : parts) append(all, part);
  const ChecksumKind kind = parts.empty() ? ChecksumKind::crc32c : parts.front().kind;
  return fmt::format("{}-{}", checksum_text(checksum_of(kind, all)), parts.size());
}

}  // namespace dray::s3
