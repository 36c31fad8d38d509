#include "dray/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>
#include <system_error>
#include <utility>
#include <vector>

#include "dray/base/error.h"

namespace dray {

namespace {

namespace fs = std::filesystem;

/// Repeats a system call that a signal interrupted.
template <typename Call>
auto uninterrupted(Call call) {
  while (true) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

/// Makes `folder` and what is missing above it, durably.
void make_folders(const fs::path& folder) {
  std::vector<fs::path> missing;
  for (fs::path at = folder; !at.empty() && !fs::exists(at); at = at.parent_path())
    missing.push_back(at);
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) {
    errno = failed.value();
    throw_errno("make folder", folder.string());
  }
  for (const fs::path& made : missing) {
    const fs::path parent = made.parent_path();
    sync_folder(parent.empty() ? fs::path(".") : parent);
  }
}

/// A file name no one else uses, independent of the length of the final name.
std::string temporary_name() {
  std::random_device random;
  return fmt::format(".dray-{:08x}{:08x}.tmp", random(), random());
}

/// Removes the file when it goes away, unless told that it has become something else.
class Temporary {
 public:
  explicit Temporary(fs::path path) : path_(std::move(path)) {}
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  const fs::path& path() const { return path_; }
  void keep() { path_.clear(); }

 private:
  fs::path path_;
};

void write_all(int fd, std::string_view content, const std::string& name) {
  while (!content.empty()) {
    const auto n = uninterrupted([&] { return ::write(fd, content.data(), content.size()); });
    if (n < 0) throw_errno("write", name);
    content.remove_prefix(static_cast<std::size_t>(n));
  }
}

fs::path xdg_folder(const char* variable, const char* fallback) {
  // The specification has relative values ignored.
  if (const auto value = env(variable); value && value->front() == '/')
    return fs::path(*value) / "dray";
  return home_folder() / fallback / "dray";
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void throw_errno(std::string verb, std::string object) {
  const int number = errno;
  Code code = Code::storage;
  std::string hint;
  switch (number) {
    case ENOENT:
      code = Code::not_found;
      break;
    case ENOSPC:
    case EDQUOT:
      hint = "free some space or choose another place";
      break;
    case EACCES:
    case EPERM:
      hint = "check the permissions and the user it runs as";
      break;
    case EROFS:
      hint = "the file system is mounted read-only; choose another place";
      break;
    case EFBIG:
      hint =
          "the file system holds no files of this size (FAT32: below 4 GiB); choose another place";
      break;
    case EMFILE:
    case ENFILE:
      hint = "raise the limit of open files (ulimit -n)";
      break;
    default:
      break;
  }
  Error error =
      Error(code, std::generic_category().message(number)).on(std::move(verb), std::move(object));
  if (!hint.empty()) error = std::move(error).hint(std::move(hint));
  throw std::move(error).from(Side::local);
}

std::optional<std::string> read_file(const fs::path& path, std::uint64_t limit) {
  const Fd fd(uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw_errno("read", path.string());
  }
  // Read to the end rather than to the stated size: /proc states none, and files grow.
  std::string out;
  while (true) {
    constexpr std::size_t kStep = 64 << 10;
    const std::size_t have = out.size();
    out.resize(have + kStep);
    const auto n = uninterrupted([&] { return ::read(fd.get(), out.data() + have, kStep); });
    if (n < 0) throw_errno("read", path.string());
    out.resize(have + static_cast<std::size_t>(n));
    if (n == 0) return out;
    if (out.size() > limit)
      throw Error(Code::malformed, fmt::format("larger than the limit of {}", human_size(limit)))
          .on("read", path.string())
          .from(Side::local);
  }
}

void write_file_atomic(const fs::path& path, std::string_view content, unsigned mode) {
  const fs::path folder = path.parent_path().empty() ? fs::path(".") : path.parent_path();
  make_folders(folder);
  const fs::path name = folder / temporary_name();
  const Fd fd(uninterrupted([&] {
    return ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, static_cast<mode_t>(mode));
  }));
  if (!fd) throw_errno("write", path.string());
  Temporary temporary(name);
  write_all(fd.get(), content, path.string());
  if (uninterrupted([&] { return ::fsync(fd.get()); }) < 0) throw_errno("write", path.string());
  if (::rename(temporary.path().c_str(), path.c_str()) < 0) throw_errno("write", path.string());
  temporary.keep();
  sync_folder(folder);
}

void pread_exact(int fd, std::uint64_t offset, MutableBytes out, const std::string& name) {
  while (!out.empty()) {
    const auto n = uninterrupted(
        [&] { return ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset)); });
    if (n < 0) throw_errno("read", name);
    if (n == 0)
      throw Error(Code::malformed,
                  fmt::format("ends at byte {}, {} more were expected", offset, out.size()))
          .on("read", name)
          .from(Side::local);
    offset += static_cast<std::uint64_t>(n);
    out = out.subspan(static_cast<std::size_t>(n));
  }
}

void pwrite_exact(int fd, std::uint64_t offset, Bytes bytes, const std::string& name) {
  while (!bytes.empty()) {
    const auto n = uninterrupted(
        [&] { return ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
    if (n < 0) throw_errno("write", name);
    offset += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void sync_folder(const fs::path& folder) {
  const Fd fd(
      uninterrupted([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!fd) throw_errno("sync", folder.string());
  // Some network file systems cannot sync a folder and say EINVAL; there is nothing better to do
  // there.
  if (uninterrupted([&] { return ::fsync(fd.get()); }) < 0 && errno != EINVAL)
    throw_errno("sync", folder.string());
}

fs::path home_folder() {
  if (const auto home = env("HOME")) return *home;
  std::vector<char> buffer(16 << 10);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
      found != nullptr && found->pw_dir != nullptr && *found->pw_dir != '\0')
    return found->pw_dir;
  throw Error(Code::usage, "no home folder is known")
      .from(Side::local)
      .hint("set HOME, or XDG_DATA_HOME, XDG_CACHE_HOME and XDG_CONFIG_HOME");
}

fs::path expand_home(std::string_view path) {
  if (path == "~") return home_folder();
  if (path.starts_with("~/")) return home_folder() / path.substr(2);
  return path;
}

fs::path data_folder() { return xdg_folder("XDG_DATA_HOME", ".local/share"); }
fs::path cache_folder() { return xdg_folder("XDG_CACHE_HOME", ".cache"); }
fs::path config_folder() { return xdg_folder("XDG_CONFIG_HOME", ".config"); }
fs::path state_folder() { return xdg_folder("XDG_STATE_HOME", ".local/state"); }

std::optional<std::string> env(const char* name) {
  const char* value = ::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

}  // namespace dray
