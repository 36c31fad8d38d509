#include "dray/release/whole_crc.h"

#include "dray/base/crc.h"

namespace dray {

std::uint64_t whole_crc(const ManifestFile& file) {
  return crc64nvme_join(file.part_crc64, file.part_size, file.size);
}

}  // namespace dray
