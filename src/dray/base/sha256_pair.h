// SHA-256 of the same bytes in two chains at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dray/base/bytes.h"

namespace dray {

/// The eight words of a SHA-256 (FIPS 180-4, 6.2.2), in the machine's byte order.
using Sha256Words = std::array<std::uint32_t, 8>;

/// Takes the whole blocks of 64 bytes at the beginning of `bytes` into both chains; returns how
/// many bytes that were: 0 where the processor has no instructions for it. Each round waits for the
/// one before, so that a second chain fits beside the first, and the message schedule serves both:
/// two cost little more than one.
std::size_t compress_pair(Sha256Words& first, Sha256Words& second, Bytes bytes);

}  // namespace dray
