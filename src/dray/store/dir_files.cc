#include "dray/store/dir_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/time.h"

namespace dray::dir {

namespace fs = std::filesystem;

namespace {

constexpr int kRaces = 100;  // how often a folder may be removed under us before it is an error

/// Makes the names in a folder durable. One that was pruned meanwhile has no names left.
void sync_names(const fs::path& folder) {
  try {
    sync_folder(folder);
  } catch (const Error& e) {
    if (e.code() != Code::not_found) throw Error(e).from(Side::destination);
  }
}

/// mkdir of one folder whose parent exists; false if the parent does not.
bool make_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), 0777) == 0) {
    sync_names(folder.parent_path());
    return true;
  }
  if (errno == ENOENT) return false;
  if (errno == EEXIST) {
    const auto info = stat_path(folder);
    if (!info) return false;  // removed again, or a dangling link: the caller tries again
    if (S_ISDIR(info->st_mode)) return true;
    errno = ENOTDIR;
  }
  if (errno == ENOTDIR)
    throw Error(Code::conflict, "a file lies where a folder is needed")
        .on("make folder", folder.string())
        .from(Side::destination);
  fail("make folder", folder);
}

/// True: renamed. False: the name is taken. nullopt: the file system cannot do it so (errno tells).
std::optional<bool> rename_new(const fs::path& temp, const fs::path& target) {
  if (::renameat2(AT_FDCWD, temp.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) == 0)
    return true;
  if (errno == EEXIST) return false;
  return std::nullopt;
}

std::optional<bool> link_new(const fs::path& temp, const fs::path& target) {
  const bool linked = ::link(temp.c_str(), target.c_str()) == 0;
  const int error = errno;
  if (!linked && error == EEXIST) {
    // Over NFS a repeated request may find its own link.
    const auto ours = stat_path(temp), theirs = stat_path(target);
    if (!ours || !theirs || ours->st_ino != theirs->st_ino || ours->st_dev != theirs->st_dev)
      return false;
  } else if (!linked) {
    errno = error;
    return std::nullopt;
  }
  ::unlink(temp.c_str());
  return true;
}

bool unsupported(int error) {
  return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP || error == EPERM;
}

[[noreturn]] void refuse_file_system(const fs::path& target) {
  throw Error(Code::unsupported, "the file system can neither rename without replacing nor link")
      .on("publish", target.string())
      .from(Side::destination)
      .hint("choose a folder on a local file system, NFS or CephFS");
}

}  // namespace

std::string etag_of(const struct stat& info) {
  return fmt::format("{}-{}-{}", info.st_size,
                     std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec,
                     info.st_ino);
}

void fail(const std::string& verb, const fs::path& path) {
  try {
    throw_errno(verb, path.string());
  } catch (const Error& e) {
    throw Error(e).from(Side::destination);
  }
}

std::optional<struct stat> stat_path(const fs::path& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0) return info;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  fail("look at", path);
}

std::optional<Opened> open_regular(const fs::path& path) {
  // Not blocking: a pipe put there by someone must not hang us.
  Opened out{Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)), {}};
  if (!out.fd) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    fail("open", path);
  }
  if (::fstat(out.fd.get(), &out.info) != 0) fail("look at", path);
  if (!S_ISREG(out.info.st_mode)) return std::nullopt;
  return out;
}

Fd create_new(const fs::path& path) {
  for (int i = 0;; ++i) {
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (fd) return fd;
    if (errno != ENOENT || i == kRaces) fail("create", path);
    make_folders(path.parent_path());
  }
}

void make_folders(const fs::path& folder) {
  for (int i = 0; i < kRaces; ++i) {
    if (make_folder(folder)) return;
    if (!folder.has_parent_path() || folder.parent_path() == folder) break;
    make_folders(folder.parent_path());
  }
  // The folder above it is there and takes none: /proc, or one that was removed while it is in use.
  throw Error(Code::storage, "no folder can be made here")
      .on("make folder", folder.string())
      .from(Side::destination)
      .hint("choose a place on a disk");
}

bool publish_new(const fs::path& temp, const fs::path& target) {
  for (int i = 0;; ++i) {
    make_folders(target.parent_path());
    auto done = rename_new(temp, target);
    if (!done && unsupported(errno)) {
      done = link_new(temp, target);
      if (!done && unsupported(errno)) refuse_file_system(target);
    }
    if (done) {
      if (*done) sync_names(target.parent_path());
      return *done;
    }
    if (errno != ENOENT || i == kRaces || !stat_path(temp)) fail("publish", target);
  }
}

void publish_over(const fs::path& temp, const fs::path& target) {
  for (int i = 0;; ++i) {
    make_folders(target.parent_path());
    if (::rename(temp.c_str(), target.c_str()) == 0) break;
    if (errno != ENOENT || i == kRaces || !stat_path(temp)) fail("write", target);
  }
  sync_names(target.parent_path());
}

std::string sha256_of(int fd, std::uint64_t size, const std::string& name,
                      const std::stop_token& stop) {
  Sha256 hash;
  Buffer buffer(static_cast<std::size_t>(std::min<std::uint64_t>(size, kMiB)));
  for (std::uint64_t at = 0; at < size;) {
    throw_if_stopped(stop);
    const auto part = MutableBytes(buffer).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size - at)));
    pread_exact(fd, at, part, name);
    hash.update(part);
    at += part.size();
  }
  return hash.hex();
}

void copy_range(int from, ByteRange range, int to, std::uint64_t to_offset, const std::string& name,
                const std::stop_token& stop) {
  if (range.length == 0) return;  // to FICLONERANGE that means: to the end
  const file_clone_range clone{from, range.offset, range.length, to_offset};
  if (::ioctl(to, FICLONERANGE, &clone) == 0) return;
  std::uint64_t done = 0;
  while (done < range.length) {
    throw_if_stopped(stop);
    auto in = static_cast<off64_t>(range.offset + done);
    auto out = static_cast<off64_t>(to_offset + done);
    const auto step =
        static_cast<std::size_t>(std::min<std::uint64_t>(range.length - done, 64 * kMiB));
    const ssize_t moved = ::copy_file_range(from, &in, to, &out, step, 0);
    if (moved < 0 && errno == EINTR) continue;
    if (moved <= 0) break;  // not possible here, or the file is shorter: found out below
    done += static_cast<std::uint64_t>(moved);
  }
  Buffer buffer(static_cast<std::size_t>(std::min<std::uint64_t>(range.length - done, kMiB)));
  while (done < range.length) {
    throw_if_stopped(stop);
    const auto part = MutableBytes(buffer).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), range.length - done)));
    pread_exact(from, range.offset + done, part, name);
    pwrite_exact(to, to_offset + done, part, name);
    done += part.size();
  }
}

namespace {

using Identity = std::pair<dev_t, ino_t>;

bool walk_folder(const fs::path& folder, const std::string& key_prefix, const Filter& filter,
                 const Visit& visit, std::vector<Identity>& above) {
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  const auto check = [&] {
    if (!error || error == std::errc::no_such_file_or_directory ||
        error == std::errc::not_a_directory)
      return !error;
    errno = error.value();
    fail("list", folder);
  };
  if (!check()) return true;
  for (; entry != fs::directory_iterator(); entry.increment(error)) {
    if (!check()) return true;
    const std::string name = entry->path().filename().string();
    if (filter && !filter(name)) continue;
    const auto info = stat_path(entry->path());
    if (!info) continue;
    if (S_ISREG(info->st_mode)) {
      if (!visit(key_prefix + name, *info)) return false;
    } else if (S_ISDIR(info->st_mode)) {
      const Identity identity{info->st_dev, info->st_ino};
      if (std::find(above.begin(), above.end(), identity) != above.end()) continue;
      above.push_back(identity);
      if (!walk_folder(entry->path(), key_prefix + name + '/', nullptr, visit, above)) return false;
      above.pop_back();
    }
  }
  check();
  return true;
}

}  // namespace

bool walk(const fs::path& folder, const std::string& key_prefix, const Filter& filter,
          const Visit& visit) {
  const auto info = stat_path(folder);
  if (!info || !S_ISDIR(info->st_mode)) return true;
  std::vector<Identity> above{{info->st_dev, info->st_ino}};
  return walk_folder(folder, key_prefix, filter, visit, above);
}

namespace {

void prune_empty(fs::path folder, const fs::path& root) {
  while (folder != root && folder.native().size() > root.native().size()) {
    if (::rmdir(folder.c_str()) != 0 && errno != ENOENT)
      return;  // not empty, or not ours to remove
    folder = folder.parent_path();
  }
}

}  // namespace

void remove_name(const fs::path& path, const fs::path& root) {
  if (::unlink(path.c_str()) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return;
    const int error = errno;
    const auto info = stat_path(path);
    if (!info || S_ISDIR(info->st_mode)) return;  // a key that is only a folder of others is absent
    errno = error;
    fail("remove", path);
  }
  sync_names(path.parent_path());
  prune_empty(path.parent_path(), root);
}

std::string random_id() {
  std::array<std::byte, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw_errno("read", "random bytes");
  return to_hex(bytes);
}

}  // namespace dray::dir
