// CRCs that object stores check: CRC64NVME and CRC32C, streaming and combinable.
#pragma once

#include <cstdint>
#include <span>

#include "dray/base/bytes.h"

namespace dray {

/// CRC-64/NVME: reflected polynomial 0x9A6C9329AC4BC9B5, init and xorout all ones,
/// check("123456789") = 0xAE8B14860A799888. Chainable: crc64(crc64(0, a), b) == crc64(0, ab).
/// Folds with carry-less multiplication (PCLMULQDQ) where the CPU has it, chosen at run time.
std::uint64_t crc64nvme(std::uint64_t crc, Bytes bytes);
/// The portable table version of `crc64nvme`, for tests.
std::uint64_t crc64nvme_portable(std::uint64_t crc, Bytes bytes);
/// CRC of `a` followed by `b`, from the CRC of each and the length of `b` in bytes. O(log length).
std::uint64_t crc64nvme_combine(std::uint64_t a, std::uint64_t b, std::uint64_t length_b);
/// CRC of `size` bytes from those of its parts, in order; all have `part_size` bytes except the
/// last. No parts: of nothing.
std::uint64_t crc64nvme_join(std::span<const std::uint64_t> parts, std::uint64_t part_size,
                             std::uint64_t size);

/// CRC-32C (Castagnoli), reflected 0x82F63B78, check("123456789") = 0xE3069283; chainable. SSE4.2
/// where present.
std::uint32_t crc32c(std::uint32_t crc, Bytes bytes);
std::uint32_t crc32c_portable(std::uint32_t crc, Bytes bytes);
std::uint32_t crc32c_combine(std::uint32_t a, std::uint32_t b, std::uint64_t length_b);

/// Base64 of the big-endian value, as S3's x-amz-checksum-* headers carry it.
std::string crc64_header(std::uint64_t crc);
std::string crc32_header(std::uint32_t crc);

}  // namespace dray
