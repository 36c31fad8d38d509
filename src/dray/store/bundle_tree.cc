#include "dray/store/bundle_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <set>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/path.h"
#include "dray/base/time.h"
#include "dray/model/tar_reader.h"

namespace dray {

namespace fs = std::filesystem;

namespace {

class FolderTree final : public BundleTree {
 public:
  explicit FolderTree(fs::path root) : root_(std::move(root)) {}

  std::optional<std::uint64_t> size_of(const std::string& key) const override {
    const Fd fd = open(key);
    if (!fd) return std::nullopt;
    struct stat info{};
    if (::fstat(fd.get(), &info) != 0) throw_errno("look at", name(key));
    if (!S_ISREG(info.st_mode)) return std::nullopt;
    return static_cast<std::uint64_t>(info.st_size);
  }

  void read(const std::string& key, std::uint64_t offset, MutableBytes out) const override {
    const Fd fd = open(key);
    if (!fd) throw Error(Code::not_found, "no such file").on("read", name(key)).from(Side::source);
    pread_exact(fd.get(), offset, out, name(key));
  }

  std::vector<std::string> strangers(const std::vector<std::string>&) const override { return {}; }
  std::optional<ByteRange> place(const std::string&) const override { return std::nullopt; }

 private:
  std::string name(const std::string& key) const { return (root_ / key).string(); }

  /// Folder by folder, so that no link leads elsewhere; empty if there is nothing.
  Fd open(const std::string& key) const {
    check_relative_path(key, root_.string());
    Fd at(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!at) throw_errno("open", root_.string());
    for (std::size_t from = 0;;) {
      const std::size_t slash = key.find('/', from);
      const bool last = slash == std::string::npos;
      const std::string segment = key.substr(from, last ? slash : slash - from);
      const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (last ? 0 : O_DIRECTORY);
      Fd next(::openat(at.get(), segment.c_str(), flags));
      if (!next) refuse_link(at, segment, key);
      if (!next && (errno == ENOENT || errno == ENOTDIR)) return {};
      if (!next) throw_errno("open", name(key));
      if (last) return next;
      at = std::move(next);
      from = slash + 1;
    }
  }

  /// Keeps errno.
  void refuse_link(const Fd& at, const std::string& segment, const std::string& key) const {
    const int error = errno;
    struct stat info{};
    if (::fstatat(at.get(), segment.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(info.st_mode))
      throw Error(Code::malformed, "a symbolic link is in the way; a bundle has none")
          .on("read", name(key))
          .from(Side::source);
    errno = error;
  }

  const fs::path root_;
};

class ArchiveTree final : public BundleTree {
 public:
  ArchiveTree(std::shared_ptr<const BundleVolumeFiles> volumes,
              std::map<std::string, ByteRange> files)
      : volumes_(std::move(volumes)), files_(std::move(files)) {}

  std::optional<std::uint64_t> size_of(const std::string& key) const override {
    const auto range = place(key);
    return range ? std::optional(range->length) : std::nullopt;
  }

  void read(const std::string& key, std::uint64_t offset, MutableBytes out) const override {
    const auto range = place(key);
    if (!range) throw Error(Code::not_found, "no such file").on("read", key).from(Side::source);
    if (offset > range->length || out.size() > range->length - offset)
      throw Error(Code::malformed, "the file ends before").on("read", key).from(Side::source);
    volumes_->read(range->offset + offset, out);
  }

  std::vector<std::string> strangers(const std::vector<std::string>& expected) const override {
    const std::set<std::string_view> known(expected.begin(), expected.end());
    std::vector<std::string> found;
    for (const auto& [key, range] : files_)
      if (!known.contains(key)) found.push_back(key);
    return found;
  }

  std::optional<ByteRange> place(const std::string& key) const override {
    const auto found = files_.find(key);
    return found == files_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  const std::shared_ptr<const BundleVolumeFiles> volumes_;
  const std::map<std::string, ByteRange> files_;
};

}  // namespace

std::optional<std::string> BundleTree::text(const std::string& key, std::uint64_t limit) const {
  const auto size = size_of(key);
  if (!size) return std::nullopt;
  if (*size > limit)
    throw Error(Code::malformed, fmt::format("it has {} bytes, more than any such file", *size))
        .on("read", key)
        .from(Side::source);
  std::string out(static_cast<std::size_t>(*size), '\0');
  read(key, 0, std::as_writable_bytes(std::span(out)));
  return out;
}

std::unique_ptr<BundleTree> folder_tree(const fs::path& root) {
  return std::make_unique<FolderTree>(root);
}

std::unique_ptr<BundleTree> archive_tree(std::shared_ptr<const BundleVolumeFiles> volumes,
                                         const std::string& what, const std::stop_token& stop) {
  std::map<std::string, ByteRange> files;
  std::vector<std::string> paths;
  const auto entries = tar::scan(
      volumes->size(),
      [&](ByteRange range) {
        throw_if_stopped(stop);
        Buffer bytes(static_cast<std::size_t>(range.length));
        volumes->read(range.offset, bytes);
        return bytes;
      },
      what);
  for (const tar::Entry& entry : entries) {
    std::string path = entry.path;
    if (entry.type == tar::EntryType::folder && path.ends_with('/')) path.pop_back();
    check_relative_path(path, what);
    if (entry.type == tar::EntryType::folder) continue;
    if (entry.type != tar::EntryType::file)
      throw Error(Code::malformed, "it holds a link or a device; a bundle has none")
          .on("read", path)
          .from(Side::source);
    paths.push_back(path);
    files.emplace(std::move(path), ByteRange{entry.data_offset, entry.size});
  }
  check_listing(paths, what);
  return std::make_unique<ArchiveTree>(std::move(volumes), std::move(files));
}

}  // namespace dray
