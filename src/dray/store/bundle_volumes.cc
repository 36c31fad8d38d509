#include "dray/store/bundle_volumes.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/time.h"
#include "dray/store/dir_files.h"

namespace dray {

namespace {

dir::Opened open_volume(const std::filesystem::path& path, const std::string& name) {
  auto file = dir::open_regular(path);
  if (!file)
    throw Error(Code::not_found, name + " is missing").on("read", path.string()).from(Side::source);
  return std::move(*file);
}

}  // namespace

BundleVolumeFiles::BundleVolumeFiles(std::filesystem::path stem, BundleVolumes volumes)
    : stem_(std::move(stem)), volumes_(std::move(volumes)) {}

std::filesystem::path BundleVolumeFiles::path(std::size_t index) const {
  return stem_.string() + volumes_.suffix(index);
}

std::string BundleVolumeFiles::name(std::size_t index) const {
  const std::string file = path(index).filename().string();
  if (!volumes_.split) return file;
  return fmt::format("volume {} of {} ({})", index + 1, volumes_.list.size(), file);
}

std::pair<std::size_t, std::size_t> BundleVolumeFiles::holding(ByteRange range) const {
  const std::uint64_t size = std::max<std::uint64_t>(1, volumes_.volume_size);
  const std::uint64_t last = range.length == 0 ? range.offset : range.end() - 1;
  const std::size_t most = volumes_.list.size() - 1;
  return {std::min<std::size_t>(range.offset / size, most),
          std::min<std::size_t>(last / size, most)};
}

std::string BundleVolumeFiles::sha256_of(std::size_t index, std::uint64_t bytes,
                                         const std::stop_token& stop) const {
  const dir::Opened file = open_volume(path(index), name(index));
  return dir::sha256_of(file.fd.get(), bytes, path(index).string(), stop);
}

std::vector<std::string> BundleVolumeFiles::problems(const std::stop_token& stop) const {
  std::vector<std::string> found;
  for (std::size_t i = 0; i < volumes_.list.size(); ++i) {
    throw_if_stopped(stop);
    const auto& volume = volumes_.list[i];
    const auto info = dir::stat_path(path(i));
    if (!info || !S_ISREG(info->st_mode)) {
      found.push_back(name(i) + " is missing");
      continue;
    }
    const auto size = static_cast<std::uint64_t>(info->st_size);
    if (size != volume.size) {
      found.push_back(fmt::format("{} has {} bytes, {} were written", name(i), size, volume.size));
      continue;
    }
    if (volume.head_sha256.empty()) continue;
    const std::string head = sha256_of(i, std::min(size, kBundleHead), stop);
    if (head == volume.head_sha256) continue;
    const auto other = std::ranges::find(volumes_.list, head, &BundleVolumes::Volume::head_sha256);
    found.push_back(other == volumes_.list.end()
                        ? name(i) + " is damaged, or of another bundle"
                        : fmt::format("{} holds the bytes of volume {}", name(i),
                                      other - volumes_.list.begin() + 1));
  }
  return found;
}

std::string BundleVolumeFiles::damage(std::size_t index, const std::stop_token& stop) const {
  const auto& volume = volumes_.list.at(index);
  const auto info = dir::stat_path(path(index));
  if (!info || !S_ISREG(info->st_mode)) return name(index) + " is missing";
  if (static_cast<std::uint64_t>(info->st_size) != volume.size)
    return fmt::format("{} has {} bytes, {} were written", name(index), info->st_size, volume.size);
  if (volume.sha256.empty() || sha256_of(index, volume.size, stop) == volume.sha256) return "";
  return name(index) + " is damaged: its SHA-256 is not the one in the index";
}

void BundleVolumeFiles::read(std::uint64_t offset, MutableBytes out) const {
  if (offset > size() || out.size() > size() - offset)
    throw Error(Code::malformed, "the archive ends before").on("read", stem_.string());
  while (!out.empty()) {
    const std::size_t index = holding({offset, 1}).first;
    const std::uint64_t within = offset - index * volumes_.volume_size;
    const std::size_t length = static_cast<std::size_t>(
        std::min<std::uint64_t>(out.size(), volumes_.list[index].size - within));
    const dir::Opened file = open_volume(path(index), name(index));
    pread_exact(file.fd.get(), within, out.first(length), path(index).string());
    out = out.subspan(length);
    offset += length;
  }
}

}  // namespace dray
