#include "dray/store/dir_tree.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/path.h"

namespace dray::dir {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kTempPrefix = ".dray/tmp/";
constexpr int kTries = 10;

void sync(const Fd& fd, const fs::path& path) {
  if (::fsync(fd.get()) != 0) fail("write", path);
}

StoredObject describe(const std::string& key, const struct stat& info) {
  return {key, static_cast<std::uint64_t>(info.st_size), etag_of(info), std::nullopt, {}};
}

[[noreturn]] void conflict(const ObjectSpec& spec, std::string what) {
  throw Error(Code::conflict, std::move(what))
      .on("publish", spec.key)
      .from(Side::destination)
      .hint("use another version, or remove what is there if it is not needed");
}

}  // namespace

std::int64_t mtime_ns(const struct stat& info) {
  return std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

fs::path Tree::path_of(const std::string& key) const {
  check_relative_path(key, "key");
  if (key.starts_with(kTempPrefix))
    throw Error(Code::malformed, "a key may not lie among the temporary files").on("use", key);
  return root_ / key;
}

fs::path Tree::write_small(Bytes content) const {
  fs::path path = temp("s-" + random_id());
  const Fd fd = create_new(path);
  try {
    pwrite_exact(fd.get(), 0, content, path.string());
    sync(fd, path);
  } catch (...) {
    ::unlink(path.c_str());
    throw;
  }
  return path;
}

StoredObject Tree::publish(const fs::path& temp_file, const ObjectSpec& spec, std::string sha256,
                           const std::stop_token& stop) const {
  const fs::path target = path_of(spec.key);
  for (int i = 0; i < kTries; ++i) {
    if (publish_new(temp_file, target)) {
      const auto info = stat_path(target);
      if (!info || static_cast<std::uint64_t>(info->st_size) != spec.size)
        conflict(spec, "something else replaced it at once");
      return describe(spec.key, *info);
    }
    if (sha256.empty()) {
      const auto ours = open_regular(temp_file);
      if (!ours) fail("read", temp_file);
      sha256 = sha256_of(ours->fd.get(), spec.size, temp_file.string(), stop);
    }
    std::optional<StoredObject> same;
    try {
      same = find_same(spec, sha256, stop);
    } catch (const Error& e) {
      if (e.code() == Code::conflict) ::unlink(temp_file.c_str());
      throw;
    }
    if (same) {
      ::unlink(temp_file.c_str());
      return *same;
    }
    // Removed between the two looks, so the name is free again; or a link that leads nowhere.
  }
  ::unlink(temp_file.c_str());
  conflict(spec, "a name without a file is already there");
}

std::optional<StoredObject> Tree::find_same(const ObjectSpec& spec, const std::string& sha256,
                                            const std::stop_token& stop) const {
  const fs::path path = path_of(spec.key);
  const auto there = stat_path(path);
  if (!there) return std::nullopt;
  if (!S_ISREG(there->st_mode)) conflict(spec, "something that is not a file is already there");
  const auto file = open_regular(path);
  if (!file) return std::nullopt;
  const auto size = static_cast<std::uint64_t>(file->info.st_size);
  if (size != spec.size || sha256_of(file->fd.get(), size, path.string(), stop) != sha256)
    conflict(spec, "other content is already there");
  return describe(spec.key, file->info);
}

bool Tree::walk(const std::string& prefix, const Visit& visit) const {
  const std::size_t slash = prefix.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : prefix.substr(0, slash + 1);
  const std::string begin = prefix.substr(folder.size());
  if (!folder.empty()) check_relative_path(folder.substr(0, folder.size() - 1), "prefix");
  if (prefix.starts_with(kTempPrefix)) return true;
  const bool top = folder.empty();
  return dir::walk(
      root_ / folder, folder,
      [&](const std::string& name) {
        // A file system's own folder at its mount point; nobody but root may look into it.
        if (top && name == "lost+found") return false;
        return name.starts_with(begin);
      },
      [&](const std::string& key, const struct stat& info) {
        return key.starts_with(kTempPrefix) || visit(key, info);
      });
}

void Tree::remove(const std::string& key) const { remove_name(path_of(key), root_); }

std::int64_t Tree::now_ns() const {
  try {
    const fs::path path = temp("s-" + random_id());
    const Fd fd = create_new(path);
    struct stat info{};
    const bool known = ::fstat(fd.get(), &info) == 0;
    ::unlink(path.c_str());
    if (known) return mtime_ns(info);
  } catch (const Error& e) {
    if (e.code() == Code::cancelled) throw;  // read-only: ages are as good as this machine's clock
  }
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace dray::dir
