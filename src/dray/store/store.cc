#include "dray/store/store.h"

#include <algorithm>
#include <cassert>
#include <span>

#include "dray/base/crc.h"
#include "dray/base/error.h"
#include "dray/model/manifest.h"
#include "dray/model/selection.h"

namespace dray {

ByteRange PartLayout::part(std::uint64_t index) const {
  assert(part_size > 0 && index < count());
  if (!ends.empty()) {
    const std::uint64_t offset = index == 0 ? 0 : ends[index - 1];
    return {offset, ends[index] - offset};
  }
  const std::uint64_t offset = index * part_size;
  return {offset, std::min(part_size, object_size - offset)};
}

std::uint64_t PartLayout::index_of(std::uint64_t offset) const {
  assert(part_size > 0 && offset < object_size);
  if (ends.empty()) return offset / part_size;
  return static_cast<std::uint64_t>(std::upper_bound(ends.begin(), ends.end(), offset) -
                                    ends.begin());
}

std::uint64_t PartLayout::cut() const {
  return crc64nvme(0, std::as_bytes(std::span(ends)));  // of nothing: 0
}

PartLayout layout_for(const ObjectSpec& spec, PartLayout even) {
  constexpr std::uint64_t kMostSmallParts = 1000;
  if (spec.small_parts && even.part_size > kSmallPart &&
      even.object_size <= kMostSmallParts * kSmallPart)
    even.part_size = kSmallPart;
  if (spec.part_ends.empty()) return even;
  PartLayout out{spec.size, 0, even.in_order, spec.part_ends};
  bool good = out.ends.back() == spec.size;
  std::uint64_t at = 0;
  for (const std::uint64_t end : out.ends) {
    good = good && end > at;
    out.part_size = std::max(out.part_size, end - at);
    at = end;
  }
  if (!good)
    throw Error(Code::internal, "the parts do not make up the object").on("begin", spec.key);
  return out;
}

std::string StoredObject::meta(std::string_view name) const {
  for (const auto& [field, value] : metadata)
    if (field == name) return value;
  return {};
}

std::optional<PutPart> Upload::put_copy(std::uint64_t, const StoredRange&, Bytes, std::uint64_t,
                                        const std::stop_token&) {
  return std::nullopt;
}

void Upload::pause(const std::stop_token&) {}

PackedObject file_object(const std::string& prefix, const std::vector<FileToStore>& files,
                         std::size_t index) {
  const FileToStore& file = files[index];
  PackedObject object;
  object.spec.key = prefix + file.path;
  object.spec.size = file.size;
  object.spec.sha256 = file.sha256;
  object.label = file.path;
  object.pieces = {index};
  object.files = {{index, 0}};
  return object;
}

std::vector<PackedObject> Store::pack(const std::string& prefix,
                                      const std::vector<FileToStore>& files) const {
  std::vector<PackedObject> out;
  for (std::size_t i = 0; i < files.size(); ++i) {
    out.push_back(file_object(prefix, files, i));
    out.back().rank = publish_rank(files[i].path);
  }
  std::stable_sort(out.begin(), out.end(), [](const PackedObject& a, const PackedObject& b) {
    return a.rank != b.rank ? a.rank < b.rank : a.spec.size > b.spec.size;
  });
  return out;
}

void Store::seal(Manifest&, const std::stop_token&) {}

std::optional<CutLimits> Store::range_copies(const StoredObject&, std::uint64_t,
                                             const std::stop_token&) {
  return std::nullopt;
}

}  // namespace dray
