// Objects that tests of stores make.
#pragma once

#include <string>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/crc.h"
#include "dray/base/digest.h"
#include "dray/store/store.h"

namespace dray::test {

inline ObjectSpec spec_of(const std::string& key, const Buffer& bytes) {
  ObjectSpec out;
  out.key = key;
  out.size = bytes.size();
  out.sha256 = Sha256::hex_of(bytes);
  out.content_type = "application/x-test";
  out.metadata = {{"dray-sha256", out.sha256}};
  return out;
}

inline Bytes bytes_of(const Buffer& bytes, ByteRange range) {
  return Bytes(bytes).subspan(static_cast<std::size_t>(range.offset),
                              static_cast<std::size_t>(range.length));
}

/// Puts one part of the object that consists of `bytes`.
inline PutPart put_part(Upload& upload, const Buffer& bytes, std::uint64_t index) {
  const Bytes part = bytes_of(bytes, upload.layout().part(index));
  return upload.put(index, part, crc64nvme(0, part), {});
}

inline std::vector<PutPart> put_all(Upload& upload, const Buffer& bytes) {
  std::vector<PutPart> parts;
  for (std::uint64_t i = 0; i < upload.layout().count(); ++i)
    parts.push_back(put_part(upload, bytes, i));
  return parts;
}

}  // namespace dray::test
