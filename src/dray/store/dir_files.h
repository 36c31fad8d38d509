// File system steps of the directory store: names that appear whole or not at all.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/file.h"

namespace dray::dir {

/// "<size>-<mtime ns>-<inode>": another value whenever a file was replaced or written to.
std::string etag_of(const struct stat& info);

/// Throws for the current errno, Side::destination.
[[noreturn]] void fail(const std::string& verb, const std::filesystem::path& path);

/// nullopt if nothing is there; follows symbolic links.
std::optional<struct stat> stat_path(const std::filesystem::path& path);
/// A regular file opened for reading, and its state; nullopt if there is none (also where a folder
/// is).
struct Opened {
  Fd fd;
  struct stat info{};
};
std::optional<Opened> open_regular(const std::filesystem::path& path);
/// A new file for reading and writing; fails if it exists. Makes missing folders.
Fd create_new(const std::filesystem::path& path);

/// Makes `folder` and its missing parents, each durable. A file in the way is Code::conflict.
void make_folders(const std::filesystem::path& folder);

/// Gives a complete, synced file its name; false if the name is taken, by whatever. On true `temp`
/// is gone. Durable when it returns. Other processes may remove empty folders meanwhile.
bool publish_new(const std::filesystem::path& temp, const std::filesystem::path& target);
/// The same, replacing what is there.
void publish_over(const std::filesystem::path& temp, const std::filesystem::path& target);

/// Lower-case hex SHA-256 of what is in the file.
std::string sha256_of(int fd, std::uint64_t size, const std::string& name,
                      const std::stop_token& stop);
/// Copies `range` of a file to `to_offset` of another: sharing blocks where the file system can,
/// else in the kernel, else by hand.
void copy_range(int from, ByteRange range, int to, std::uint64_t to_offset, const std::string& name,
                const std::stop_token& stop);

/// Calls `visit` for every regular file under `folder` (symbolic links followed, loops left out)
/// until it returns false; `key` begins with `key_prefix`. Files and folders that vanish meanwhile
/// are left out. False if stopped early.
using Visit = std::function<bool(const std::string& key, const struct stat& info)>;
/// Whether to look at an entry of the first level at all.
using Filter = std::function<bool(const std::string& name)>;
bool walk(const std::filesystem::path& folder, const std::string& key_prefix, const Filter& filter,
          const Visit& visit);

/// Removes a file and the folders below `root` that became empty. Absent is success, and so is a
/// folder.
void remove_name(const std::filesystem::path& path, const std::filesystem::path& root);

/// 32 random hexadecimal digits.
std::string random_id();

}  // namespace dray::dir
