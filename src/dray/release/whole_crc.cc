#include "dray/release/whole_crc.h"

#include <algorithm>

#include "dray/base/crc.h"

namespace dray {

std::uint64_t whole_crc(const ManifestFile& file) {
  std::uint64_t crc = file.part_crc64.empty() ? 0 : file.part_crc64[0];
  for (std::size_t i = 1; i < file.part_crc64.size(); ++i)
    crc = crc64nvme_combine(crc, file.part_crc64[i],
                            std::min(file.part_size, file.size - i * file.part_size));
  return crc;
}

}  // namespace dray
