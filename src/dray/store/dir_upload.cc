#include "dray/store/dir_upload.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "dray/base/crc.h"
#include "dray/base/error.h"
#include "dray/base/failpoint.h"
#include "dray/base/log.h"
#include "dray/base/time.h"

namespace dray::dir {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kSidecarHead = "dray-upload 1";
constexpr std::string_view kSidecarEnd = ".key";

bool is_id(std::string_view text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

fs::path sidecar_path(const Tree& tree, const std::string& id) {
  return tree.temp(id + std::string(kSidecarEnd));
}

}  // namespace

std::string sidecar_text(const Sidecar& sidecar) {
  return fmt::format("{}\n{}\n{}\n", kSidecarHead, sidecar.size, sidecar.key);
}

std::optional<Sidecar> parse_sidecar(std::string_view text) {
  const std::size_t head = text.find('\n');
  if (head == std::string_view::npos || text.substr(0, head) != kSidecarHead) return std::nullopt;
  text.remove_prefix(head + 1);
  const std::size_t number = text.find('\n');
  if (number == std::string_view::npos) return std::nullopt;
  const auto size = parse_u64(text.substr(0, number));
  text.remove_prefix(number + 1);
  if (!size || text.size() < 2 || text.find('\n') != text.size() - 1) return std::nullopt;
  return Sidecar{std::string(text.substr(0, text.size() - 1)), *size};
}

std::optional<Sidecar> read_sidecar(const Tree& tree, const std::string& id) {
  if (!is_id(id)) return std::nullopt;
  const auto text = read_file(sidecar_path(tree, id), 4 * kKiB);
  return text ? parse_sidecar(*text) : std::nullopt;
}

void remove_upload(const Tree& tree, const std::string& id) {
  if (!is_id(id)) return;
  // The sidecar last: as long as there is a file, its key is known.
  for (const auto& path : {tree.temp(id), sidecar_path(tree, id)})
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail("remove", path);
}

std::vector<std::string> upload_ids(const Tree& tree) {
  std::vector<std::string> out;
  std::error_code error;
  for (fs::directory_iterator entry(tree.temp_folder(), error), end; !error && entry != end;
       entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (!name.ends_with(kSidecarEnd)) continue;
    name.resize(name.size() - kSidecarEnd.size());
    if (is_id(name)) out.push_back(std::move(name));
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    errno = error.value();
    fail("list", tree.temp_folder());
  }
  std::sort(out.begin(), out.end());
  return out;
}

DirUpload::DirUpload(const Tree& tree, ObjectSpec spec, std::string id, Fd fd,
                     std::vector<PutPart> saved)
    : tree_(tree),
      spec_(std::move(spec)),
      layout_(layout_for(spec_, {spec_.size, kPartSize, false})),
      id_(std::move(id)),
      fd_(std::move(fd)),
      saved_(std::move(saved)) {}

std::unique_ptr<DirUpload> DirUpload::start(const Tree& tree, const ObjectSpec& spec) {
  static_cast<void>(tree.path_of(spec.key));                           // throws for a bad key
  static_cast<void>(layout_for(spec, {spec.size, kPartSize, false}));  // … and for bad parts
  std::string id = random_id();
  const std::string text = sidecar_text({spec.key, spec.size});
  const fs::path note = sidecar_path(tree, id);
  {
    const Fd fd = create_new(note);
    pwrite_exact(fd.get(), 0, as_bytes(text), note.string());
    if (::fsync(fd.get()) != 0) fail("write", note);
  }
  const fs::path path = tree.temp(id);
  Fd fd = create_new(path);
  if (::ftruncate(fd.get(), static_cast<off_t>(spec.size)) != 0) {
    const int error = errno;
    remove_upload(tree, id);
    errno = error;
    fail("reserve", path);  // for example a file larger than the file system allows
  }
  sync_folder(tree.temp_folder());
  return std::unique_ptr<DirUpload>(new DirUpload(tree, spec, std::move(id), std::move(fd), {}));
}

std::unique_ptr<DirUpload> DirUpload::take_up(const Tree& tree, const ObjectSpec& spec,
                                              const SavedUpload& saved) {
  const auto note = read_sidecar(tree, saved.id);
  const PartLayout layout = layout_for(spec, {spec.size, kPartSize, false});
  if (!note || note->key != spec.key || note->size != spec.size ||
      saved.part_size != layout.part_size || saved.cut != layout.cut())
    return nullptr;
  const fs::path path = tree.temp(saved.id);
  Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) {
    if (errno == ENOENT) return nullptr;
    fail("open", path);
  }
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) fail("look at", path);
  if (!S_ISREG(info.st_mode) || static_cast<std::uint64_t>(info.st_size) != spec.size)
    return nullptr;
  return std::unique_ptr<DirUpload>(
      new DirUpload(tree, spec, saved.id, std::move(fd), saved.parts));
}

bool DirUpload::holds(const PutPart& part, const std::stop_token& stop) const {
  if (part.index >= layout_.count() || part.size != layout_.part(part.index).length) return false;
  const ByteRange range = layout_.part(part.index);
  Buffer buffer(static_cast<std::size_t>(std::min<std::uint64_t>(range.length, kMiB)));
  std::uint64_t crc = 0;
  for (std::uint64_t at = range.offset; at < range.end();) {
    throw_if_stopped(stop);
    const auto piece = MutableBytes(buffer).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), range.end() - at)));
    pread_exact(fd_.get(), at, piece, spec_.key);
    crc = crc64nvme(crc, piece);
    at += piece.size();
  }
  return crc == part.crc64;
}

std::vector<PutPart> DirUpload::present(const std::stop_token& stop) {
  std::vector<PutPart> out;
  for (const auto& part : saved_) {
    if (!holds(part, stop)) continue;
    out.push_back(part);
    const std::lock_guard lock(mutex_);
    proved_[part.index] = part.crc64;
  }
  return out;
}

void DirUpload::check_part(std::uint64_t index, std::uint64_t size) const {
  if (index >= layout_.count() || size != layout_.part(index).length)
    throw Error(Code::internal, fmt::format("part {} has {} bytes", index, size))
        .on("put", spec_.key);
}

void DirUpload::forget(std::uint64_t index) {
  const std::lock_guard lock(mutex_);
  proved_.erase(index);
}

PutPart DirUpload::written(std::uint64_t index, std::uint64_t crc64) {
  const ByteRange range = layout_.part(index);
  // A hint; its failure shows in fsync.
  static_cast<void>(::sync_file_range(fd_.get(), static_cast<off64_t>(range.offset),
                                      static_cast<off64_t>(range.length), SYNC_FILE_RANGE_WRITE));
  const std::lock_guard lock(mutex_);
  proved_[index] = crc64;
  return {index, range.length, crc64, {}};
}

PutPart DirUpload::put(std::uint64_t index, Bytes bytes, std::uint64_t crc64,
                       const std::stop_token& stop) {
  throw_if_stopped(stop);
  check_part(index, bytes.size());
  forget(index);  // half written, should this fail
  try {
    pwrite_exact(fd_.get(), layout_.part(index).offset, bytes, spec_.key);
  } catch (const Error& e) {
    throw Error(e).from(Side::destination);
  }
  return written(index, crc64);
}

std::optional<PutPart> DirUpload::put_copy(std::uint64_t index, const StoredRange& from, Bytes,
                                           std::uint64_t crc64, const std::stop_token& stop) {
  throw_if_stopped(stop);
  check_part(index, from.range.length);
  const auto source = open_regular(tree_.path_of(from.key));
  if (!source || etag_of(source->info) != from.etag ||
      static_cast<std::uint64_t>(source->info.st_size) < from.range.end())
    return std::nullopt;
  forget(index);
  try {
    copy_range(source->fd.get(), from.range, fd_.get(), layout_.part(index).offset, from.key, stop);
  } catch (const Error& e) {
    throw Error(e).from(Side::destination);
  }
  if (!holds({index, from.range.length, crc64, {}}, stop)) return std::nullopt;
  return written(index, crc64);
}

void DirUpload::check_parts(const std::vector<PutPart>& parts, const std::stop_token& stop) {
  if (parts.size() != layout_.count())
    throw Error(Code::internal, fmt::format("{} parts named of {}", parts.size(), layout_.count()))
        .on("commit", spec_.key);
  for (std::uint64_t i = 0; i < parts.size(); ++i) {
    throw_if_stopped(stop);
    bool known = false;
    {
      const std::lock_guard lock(mutex_);
      const auto found = proved_.find(i);
      known = found != proved_.end() && found->second == parts[i].crc64;
    }
    if (parts[i].index != i || (!known && !holds(parts[i], stop)))
      throw Error(Code::verification, fmt::format("part {} is not what was put", i))
          .on("commit", spec_.key)
          .from(Side::destination)
          .hint("run the same command again: the file is written anew");
  }
}

StoredObject DirUpload::commit(const std::vector<PutPart>& parts, const std::string& sha256,
                               const std::stop_token& stop) {
  check_parts(parts, stop);
  const fs::path path = tree_.temp(id_);
  if (!stat_path(path)) {  // a former commit() came this far
    if (const auto there = tree_.find_same(spec_, sha256, stop)) return *there;
    throw Error(Code::not_found, "the temporary file is gone")
        .on("commit", spec_.key)
        .from(Side::destination)
        .hint("run the same command again");
  }
  if (::fsync(fd_.get()) != 0) fail("write", path);
  failpoint("dir.commit.synced");
  try {
    StoredObject out = tree_.publish(path, spec_, sha256, stop);
    failpoint("dir.commit.named");
    remove_upload(tree_, id_);
    return out;
  } catch (const Error& e) {
    if (e.code() == Code::conflict) abandon();
    throw;
  }
}

void DirUpload::abandon() noexcept {
  try {
    remove_upload(tree_, id_);
  } catch (...) {
    warn("could not remove the unfinished upload of {}: {}", spec_.key, current_error().what());
  }
}

}  // namespace dray::dir
