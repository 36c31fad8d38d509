#include "dray/store/volume_upload.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "dray/base/crc.h"
#include "dray/base/error.h"
#include "dray/base/failpoint.h"
#include "dray/base/json.h"
#include "dray/base/time.h"
#include "dray/store/dir_files.h"

namespace dray {

namespace fs = std::filesystem;

fs::path unnamed_volume(const fs::path& folder, std::size_t index) {
  return folder / fmt::format("{:05}", index);
}

fs::path finished_list(const fs::path& folder) { return folder / "finished.json"; }

VolumeUpload::VolumeUpload(fs::path folder, ObjectSpec spec, PartLayout layout,
                           std::uint64_t volume_size, std::string of, std::string id,
                           std::vector<PutPart> saved)
    : folder_(std::move(folder)),
      spec_(std::move(spec)),
      layout_(std::move(layout)),
      volume_size_(volume_size == 0 ? std::max<std::uint64_t>(1, spec_.size) : volume_size),
      of_(std::move(of)),
      id_(std::move(id)),
      saved_(std::move(saved)),
      digests_(count()) {}

std::size_t VolumeUpload::count() const {
  return static_cast<std::size_t>((spec_.size + volume_size_ - 1) / volume_size_);
}

ByteRange VolumeUpload::range_of(std::size_t volume) const {
  const std::uint64_t offset = volume * volume_size_;
  return {offset, std::min(volume_size_, spec_.size - offset)};
}

/// Calls `use(volume, offset in it, offset in the range, length)`.
template <typename Use>
void VolumeUpload::each_volume(std::uint64_t offset, std::uint64_t length, Use use) const {
  for (std::uint64_t done = 0; done < length;) {
    const std::size_t volume = static_cast<std::size_t>((offset + done) / volume_size_);
    const ByteRange range = range_of(volume);
    const std::uint64_t within = offset + done - range.offset;
    const std::uint64_t some = std::min(length - done, range.length - within);
    use(volume, within, static_cast<std::size_t>(done), static_cast<std::size_t>(some));
    done += some;
  }
}

int VolumeUpload::open(std::size_t volume) {
  if (open_volume_ == volume) return fd_.get();
  const fs::path path = unnamed_volume(folder_, volume);
  fd_ = Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
  open_volume_.reset();
  if (!fd_) dir::fail("write", path);
  // Asks nothing of the disk, and tells before gigabytes are written that they will not fit.
  const std::uint64_t size = range_of(volume).length;
  if (::lseek(fd_.get(), static_cast<off_t>(size), SEEK_SET) < 0)
    throw Error(Code::storage, fmt::format("the file system holds no file of {}", human_size(size)))
        .on("write", path.string())
        .from(Side::destination)
        .hint("make smaller volumes: --split 4095MiB fits FAT32");
  open_volume_ = volume;
  return fd_.get();
}

void VolumeUpload::sync(std::size_t volume) {
  if (::fsync(open(volume)) != 0) dir::fail("write", unnamed_volume(folder_, volume));
}

void VolumeUpload::write(std::uint64_t offset, Bytes bytes) {
  each_volume(offset, bytes.size(),
              [&](std::size_t volume, std::uint64_t within, std::size_t from, std::size_t length) {
                const fs::path path = unnamed_volume(folder_, volume);
                try {
                  pwrite_exact(open(volume), within, bytes.subspan(from, length), path.string());
                } catch (const Error& e) {
                  throw Error(e).from(Side::destination);
                }
                // A complete one is on the disk before the next begins.
                if (within + length == range_of(volume).length) {
                  sync(volume);
                  failpoint("bundle.volume-full");
                }
              });
}

/// `offset` is where hashing stands.
void VolumeUpload::hash(std::uint64_t offset, Bytes bytes) {
  each_volume(offset, bytes.size(),
              [&](std::size_t volume, std::uint64_t within, std::size_t from, std::size_t length) {
                const Bytes piece = bytes.subspan(from, length);
                digests_[volume].whole.update(piece);
                if (within < kBundleHead)
                  digests_[volume].head.update(
                      piece.first(std::min<std::size_t>(length, kBundleHead - within)));
              });
  hashed_ = offset + bytes.size();
}

/// Calls `use` for the bytes of the range as they lie on the disk, piece by piece.
template <typename Use>
void VolumeUpload::read(ByteRange range, const std::stop_token& stop, Use use) {
  Buffer buffer(static_cast<std::size_t>(std::min(kMiB, range.length)));
  for (std::uint64_t at = range.offset; at < range.end();) {
    throw_if_stopped(stop);
    const auto piece = MutableBytes(buffer).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), range.end() - at)));
    each_volume(
        at, piece.size(),
        [&](std::size_t volume, std::uint64_t within, std::size_t from, std::size_t length) {
          pread_exact(open(volume), within, piece.subspan(from, length),
                      unnamed_volume(folder_, volume).string());
        });
    use(at, Bytes(piece));
    at += piece.size();
  }
}

bool VolumeUpload::holds(const PutPart& part, const std::stop_token& stop) {
  if (part.index >= layout_.count() || part.size != layout_.part(part.index).length) return false;
  std::uint64_t crc = 0;
  try {
    read(layout_.part(part.index), stop,
         [&](std::uint64_t, Bytes bytes) { crc = crc64nvme(crc, bytes); });
  } catch (const Error& e) {
    if (e.code() != Code::malformed) throw;
    return false;  // shorter than it was
  }
  return crc == part.crc64;
}

std::vector<PutPart> VolumeUpload::present(const std::stop_token& stop) {
  std::vector<PutPart> out;
  for (const PutPart& part : saved_) {
    if (part.index != out.size() || !holds(part, stop)) break;
    read(layout_.part(part.index), stop,
         [&](std::uint64_t offset, Bytes bytes) { hash(offset, bytes); });
    out.push_back(part);
  }
  return out;
}

PutPart VolumeUpload::put(std::uint64_t index, Bytes bytes, std::uint64_t crc64,
                          const std::stop_token& stop) {
  throw_if_stopped(stop);
  const ByteRange range = layout_.part(index);
  if (bytes.size() != range.length)
    throw Error(Code::internal, fmt::format("part {} has {} bytes", index, bytes.size()))
        .on("put", spec_.key);
  write(range.offset, bytes);
  if (range.offset == hashed_)
    hash(range.offset, bytes);
  else
    rewritten_ = true;  // the engine read other bytes than at first
  return {index, range.length, crc64, {}};
}

void VolumeUpload::hash_again(const std::stop_token& stop) {
  digests_.assign(count(), {});
  hashed_ = 0;
  read({0, spec_.size}, stop, [&](std::uint64_t offset, Bytes bytes) { hash(offset, bytes); });
  rewritten_ = false;
}

StoredObject VolumeUpload::commit(const std::vector<PutPart>& parts, const std::string&,
                                  const std::stop_token& stop) {
  if (parts.size() != layout_.count())
    throw Error(Code::internal, "parts are missing").on("commit", spec_.key);
  if (rewritten_ || hashed_ != spec_.size) hash_again(stop);
  Json list = Json::array();
  for (std::size_t volume = 0; volume < count(); ++volume) {
    const ByteRange range = range_of(volume);
    if (::ftruncate(open(volume), static_cast<off_t>(range.length)) != 0)
      dir::fail("write", unnamed_volume(folder_, volume));
    sync(volume);
    list.push_back({{"size", range.length},
                    {"sha256", digests_[volume].whole.hex()},
                    {"head_sha256", digests_[volume].head.hex()}});
  }
  write_file_atomic(finished_list(folder_),
                    dump_json({{"of", of_}, {"size", volume_size_}, {"files", std::move(list)}}));
  return {spec_.key, spec_.size, id_, std::nullopt, {}};
}

void VolumeUpload::abandon() noexcept {
  std::error_code ignored;  // a later run writes over what stays
  for (std::size_t volume = 0; volume < count(); ++volume)
    fs::remove(unnamed_volume(folder_, volume), ignored);
}

}  // namespace dray
