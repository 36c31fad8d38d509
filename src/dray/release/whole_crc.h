// The checksum of a whole file from those of its parts.
#pragma once

#include <cstdint>

#include "dray/model/manifest.h"

namespace dray {

/// CRC64NVME of the file, combined from its parts; 0 where the manifest holds none.
std::uint64_t whole_crc(const ManifestFile& file);

}  // namespace dray
