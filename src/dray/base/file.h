// Small files: whole reads with a limit, durable atomic writes.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "dray/base/bytes.h"

namespace dray {

/// An open file descriptor, closed when it goes away.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset();

 private:
  int fd_ = -1;
};

/// The whole file; nullopt if it does not exist. Larger than `limit` bytes is Code::malformed.
std::optional<std::string> read_file(const std::filesystem::path& path,
                                     std::uint64_t limit = 64 << 20);
/// Temporary name, fsync, rename, fsync of the folder: afterwards the old content or the new, never
/// half. Makes missing parent folders. `mode` is the permission of a new file.
void write_file_atomic(const std::filesystem::path& path, std::string_view content,
                       unsigned mode = 0644);
/// Reads exactly `out.size()` bytes at `offset`; a shorter file is Code::malformed.
void pread_exact(int fd, std::uint64_t offset, MutableBytes out, const std::string& name);
void pwrite_exact(int fd, std::uint64_t offset, Bytes bytes, const std::string& name);
/// fsync of a folder, so that names made or removed in it survive a power cut.
void sync_folder(const std::filesystem::path& folder);
/// Error for the current `errno`: not_found, storage (full, read-only, permission), …
[[noreturn]] void throw_errno(std::string verb, std::string object);

/// $HOME or the password database's; "~" and "~/x" are expanded by `expand_home`.
std::filesystem::path home_folder();
std::filesystem::path expand_home(std::string_view path);
/// $XDG_DATA_HOME/dray, $XDG_CACHE_HOME/dray, $XDG_CONFIG_HOME/dray, $XDG_STATE_HOME/dray, with the
/// usual defaults.
std::filesystem::path data_folder();
std::filesystem::path cache_folder();
std::filesystem::path config_folder();
std::filesystem::path state_folder();
/// The variable, if set and not empty.
std::optional<std::string> env(const char* name);

}  // namespace dray
