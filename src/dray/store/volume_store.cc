#include "dray/store/volume_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/failpoint.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/base/time.h"
#include "dray/store/bundle_volumes.h"
#include "dray/store/dir_files.h"
#include "dray/store/volume_upload.h"

namespace dray {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kLeastPart = 16 * kMiB, kMostPart = 64 * kMiB, kPartStep = 8 * kMiB;
constexpr std::uint64_t kWantedParts = 8'000;  // of more a journal would become large

}  // namespace

fs::path partial_folder(const fs::path& stem) { return stem.string() + ".partial"; }
fs::path index_path(const fs::path& stem) { return stem.string() + ".json"; }

VolumeStore::VolumeStore(const fs::path& stem, std::uint64_t volume_size, std::string of)
    : DirStore(partial_folder(stem)), stem_(stem), volume_size_(volume_size), of_(std::move(of)) {}

PartLayout VolumeStore::layout(std::uint64_t object_size) const {
  const std::uint64_t wanted = (object_size / kWantedParts + kPartStep - 1) / kPartStep * kPartStep;
  return {object_size, std::clamp(wanted, kLeastPart, kMostPart), true};
}

std::unique_ptr<Upload> VolumeStore::begin(const ObjectSpec& spec, const SavedUpload* saved,
                                           const std::stop_token& stop) {
  throw_if_stopped(stop);
  const PartLayout parts = layout(spec.size);
  const bool known = saved != nullptr && saved->part_size == parts.part_size;
  return std::make_unique<VolumeUpload>(partial_folder(stem_), spec, parts, volume_size_, of_,
                                        known ? saved->id : dir::random_id(),
                                        known ? saved->parts : std::vector<PutPart>());
}

StoredObject VolumeStore::create(const ObjectSpec& spec, Bytes bytes, const std::string& sha256,
                                 const std::stop_token& stop) {
  const auto upload = begin(spec, nullptr, stop);
  return upload->commit({upload->put(0, bytes, 0, stop)}, sha256, stop);
}

std::optional<BundleVolumes> VolumeStore::finished() const {
  const fs::path path = finished_list(partial_folder(stem_));
  const auto text = read_file(path);
  if (!text) return std::nullopt;
  const Json json = parse_json(*text, path.string());
  if (get_string(json, "of", path.string()) != of_) return std::nullopt;
  BundleVolumes volumes;
  volumes.split = volume_size_ != 0;
  volumes.volume_size = get_u64(json, "size", path.string());
  for (const Json& item : get_array(json, "files", path.string()))
    volumes.list.push_back({.size = get_u64(item, "size", path.string()),
                            .sha256 = get_string(item, "sha256", path.string()),
                            .head_sha256 = get_string(item, "head_sha256", path.string())});
  // Cut otherwise than is asked for now, they are of no use.
  const std::uint64_t wanted = volume_size_ == 0 ? volumes.total() : volume_size_;
  return volumes.volume_size == wanted ? std::optional(std::move(volumes)) : std::nullopt;
}

void VolumeStore::publish(const BundleRecord& index, const std::stop_token& stop) {
  const BundleVolumeFiles files(stem_, *index.volumes);
  const fs::path folder = partial_folder(stem_);
  for (std::size_t i = 0; i < index.volumes->list.size(); ++i) {
    throw_if_stopped(stop);
    const fs::path from = unnamed_volume(folder, i);
    if (!dir::stat_path(from)) continue;  // an earlier run was killed here
    if (!dir::publish_new(from, files.path(i)))
      throw Error(Code::conflict, "something else has this name")
          .on("write", files.path(i).string())
          .from(Side::destination)
          .hint("remove it, or choose another name with -o");
    failpoint("bundle.volume-named");
  }
  if (const auto missing = files.problems(stop); !missing.empty())
    throw Error(Code::verification, missing.front())
        .on("finish", stem_.string())
        .from(Side::destination)
        .hint(fmt::format("remove {} and make the bundle again", folder.string()));
  failpoint("bundle.before-index");
  write_file_atomic(index_path(stem_), to_json_text(index));
  failpoint("bundle.after-index");
}

void VolumeStore::clean_up() noexcept {
  const fs::path folder = partial_folder(stem_);
  std::error_code ignored;  // what cannot be removed stays
  fs::remove_all(folder / ".dray", ignored);
  fs::remove(finished_list(folder), ignored);
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (const std::string name = entry.path().filename().string();
        name.find_first_not_of("0123456789") == std::string::npos)
      fs::remove(entry.path(), ignored);
  fs::remove(folder, ignored);
}

}  // namespace dray
