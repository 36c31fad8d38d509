#include "dray/store/dir_store.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <set>
#include <system_error>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/base/time.h"
#include "dray/store/catalog.h"
#include "dray/store/dir_upload.h"

namespace dray {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMaxState = 64 * kMiB;
/// Of ranges: below the first, sharing blocks saves nothing; above the second, a stop would wait.
constexpr std::uint64_t kLeastCopy = 64 * kKiB, kMostCopy = kGiB;
constexpr std::int64_t kDayNs = std::int64_t{24} * 3600 * 1'000'000'000;

StoredObject describe(const std::string& key, const struct stat& info) {
  return {key, static_cast<std::uint64_t>(info.st_size), dir::etag_of(info), std::nullopt, {}};
}

/// Temporary files of small objects that a crash left long ago. Those of uploads are gc's, which
/// knows whose they are.
void sweep(const dir::Tree& tree) {
  const std::int64_t now = tree.now_ns();
  std::error_code error;
  for (fs::directory_iterator entry(tree.temp_folder(), error), end; !error && entry != end;
       entry.increment(error)) {
    if (!entry->path().filename().string().starts_with("s-")) continue;
    const auto info = dir::stat_path(entry->path());
    if (info && now - dir::mtime_ns(*info) > kDayNs) ::unlink(entry->path().c_str());
  }
}

fs::path normal(const fs::path& root) {
  fs::path out = root.lexically_normal();
  return out.has_filename() ? out : out.parent_path();  // without a final '/'
}

}  // namespace

class DirStore::DirState : public StateStore {
 public:
  explicit DirState(const dir::Tree& tree) : tree_(tree) {}

  std::optional<std::string> get(const std::string& key, const std::stop_token& stop) override {
    throw_if_stopped(stop);
    const fs::path path = tree_.path_of(key);
    const auto file = dir::open_regular(path);
    if (!file) return std::nullopt;
    const auto size = static_cast<std::uint64_t>(file->info.st_size);
    if (size > kMaxState)
      throw Error(Code::malformed, "the record is larger than 64 MiB").on("read", path.string());
    std::string out(static_cast<std::size_t>(size), '\0');
    pread_exact(file->fd.get(), 0, std::as_writable_bytes(std::span(out)), path.string());
    return out;
  }

  bool create_if_absent(const std::string& key, std::string_view content,
                        const std::stop_token& stop) override {
    throw_if_stopped(stop);
    const fs::path path = tree_.path_of(key);
    if (dir::stat_path(path)) return false;
    const fs::path temp = tree_.write_small(as_bytes(content));
    return guarded(temp, [&] {
      const bool made = dir::publish_new(temp, path);
      if (!made) ::unlink(temp.c_str());
      return made;
    });
  }

  void put(const std::string& key, std::string_view content, const std::stop_token& stop) override {
    throw_if_stopped(stop);
    const fs::path path = tree_.path_of(key);
    const fs::path temp = tree_.write_small(as_bytes(content));
    guarded(temp, [&] {
      dir::publish_over(temp, path);
      return true;
    });
  }

  std::vector<StateItem> list(const std::string& prefix, const std::stop_token& stop) override {
    throw_if_stopped(stop);
    struct Found {
      std::string key;
      std::uint64_t size;
      std::int64_t mtime;
    };
    std::vector<Found> found;
    tree_.walk(prefix, [&](const std::string& key, const struct stat& info) {
      found.push_back({key, static_cast<std::uint64_t>(info.st_size), dir::mtime_ns(info)});
      return true;
    });
    std::vector<StateItem> out;
    if (found.empty()) return out;
    const std::int64_t now = tree_.now_ns();
    for (auto& item : found)
      out.push_back(
          {std::move(item.key), item.size,
           std::chrono::seconds(std::max<std::int64_t>(0, now - item.mtime) / 1'000'000'000)});
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    return out;
  }

  void remove(const std::string& key, const std::stop_token& stop) override {
    throw_if_stopped(stop);
    tree_.remove(key);
  }

 private:
  template <typename Step>
  static bool guarded(const fs::path& temp, Step step) {
    try {
      return step();
    } catch (...) {
      ::unlink(temp.c_str());
      throw;
    }
  }

  const dir::Tree tree_;
};

DirStore::DirStore(const fs::path& root)
    : tree_(normal(root)), state_(std::make_unique<DirState>(tree_)) {
  properties_.uri = "dir:" + tree_.root().string();
  properties_.kind = "dir";
  properties_.local_disk = true;
  properties_.server_copy = true;
}

DirStore::~DirStore() = default;

StateStore& DirStore::state() { return *state_; }

void DirStore::preflight(const std::stop_token& stop) {
  throw_if_stopped(stop);
  dir::make_folders(tree_.temp_folder());
  const fs::path temp = tree_.write_small(as_bytes("probe\n"));
  const fs::path probe = tree_.temp("s-" + dir::random_id());
  try {
    if (!dir::publish_new(temp, probe))
      throw Error(Code::internal, "a random name was taken").on("publish", probe.string());
  } catch (...) {
    ::unlink(temp.c_str());
    throw;
  }
  if (::unlink(probe.c_str()) != 0) dir::fail("remove", probe);
  check_store_layout(*this, stop);
  sweep(tree_);
}

PartLayout DirStore::layout(std::uint64_t object_size) const {
  return {object_size, dir::kPartSize, false};
}

std::unique_ptr<Upload> DirStore::begin(const ObjectSpec& spec, const SavedUpload* saved,
                                        const std::stop_token& stop) {
  throw_if_stopped(stop);
  if (saved != nullptr)
    if (auto upload = dir::DirUpload::take_up(tree_, spec, *saved)) return upload;
  return dir::DirUpload::start(tree_, spec);
}

StoredObject DirStore::create(const ObjectSpec& spec, Bytes bytes, const std::string& sha256,
                              const std::stop_token& stop) {
  throw_if_stopped(stop);
  static_cast<void>(tree_.path_of(spec.key));  // throws for a bad key, before anything is written
  if (bytes.size() != spec.size)
    throw Error(Code::internal, "the object has another size than stated").on("create", spec.key);
  const fs::path temp = tree_.write_small(bytes);
  try {
    return tree_.publish(temp, spec, sha256, stop);
  } catch (...) {
    ::unlink(temp.c_str());
    throw;
  }
}

std::optional<StoredObject> DirStore::copy(const StoredObject& from, const ObjectSpec& spec,
                                           const std::stop_token& stop) {
  throw_if_stopped(stop);
  const fs::path source = tree_.path_of(from.key);
  const auto file = dir::open_regular(source);
  if (!file || dir::etag_of(file->info) != from.etag ||
      static_cast<std::uint64_t>(file->info.st_size) != spec.size)
    return std::nullopt;
  static_cast<void>(tree_.path_of(spec.key));
  const fs::path temp = tree_.temp("s-" + dir::random_id());
  const Fd fd = dir::create_new(temp);
  try {
    dir::copy_range(file->fd.get(), {0, spec.size}, fd.get(), 0, from.key, stop);
    if (::fsync(fd.get()) != 0) dir::fail("write", temp);
    struct stat after{};
    if (::fstat(file->fd.get(), &after) != 0) dir::fail("look at", source);
    if (dir::etag_of(after) != from.etag) {
      ::unlink(temp.c_str());
      return std::nullopt;
    }
    return tree_.publish(temp, spec, spec.sha256, stop);
  } catch (...) {
    ::unlink(temp.c_str());
    throw;
  }
}

std::optional<CutLimits> DirStore::range_copies(const StoredObject& from, std::uint64_t,
                                                const std::stop_token& stop) {
  if (!stat(from.key, stop)) return std::nullopt;
  return CutLimits{kLeastCopy, dir::kPartSize, kMostCopy,
                   std::numeric_limits<std::uint64_t>::max()};
}

std::optional<StoredObject> DirStore::stat(const std::string& key, const std::stop_token& stop) {
  throw_if_stopped(stop);
  const auto info = dir::stat_path(tree_.path_of(key));
  if (!info || !S_ISREG(info->st_mode)) return std::nullopt;
  return describe(key, *info);
}

std::vector<Listed> DirStore::list(const std::string& prefix, const std::stop_token& stop) {
  std::vector<Listed> out;
  tree_.walk(prefix, [&](const std::string& key, const struct stat& info) {
    throw_if_stopped(stop);
    out.push_back({key, static_cast<std::uint64_t>(info.st_size), dir::etag_of(info)});
    return true;
  });
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  return out;
}

std::vector<std::string> DirStore::list_names(const std::string& prefix,
                                              const std::stop_token& stop) {
  std::set<std::string> out;
  tree_.walk(prefix, [&](const std::string& key, const struct stat&) {
    throw_if_stopped(stop);
    out.insert(key.substr(prefix.size(), key.find('/', prefix.size()) - prefix.size()));
    return true;
  });
  return {out.begin(), out.end()};
}

void DirStore::read(const std::string& key, const std::string& etag, std::uint64_t offset,
                    MutableBytes out, const std::stop_token& stop) {
  throw_if_stopped(stop);
  const fs::path path = tree_.path_of(key);
  const auto file = dir::open_regular(path);
  if (!file)
    throw Error(Code::not_found, "no such file").on("read", path.string()).from(Side::destination);
  if (!etag.empty() && dir::etag_of(file->info) != etag)
    throw Error(Code::precondition, "the file was changed or replaced")
        .on("read", path.string())
        .from(Side::destination);
  try {
    pread_exact(file->fd.get(), offset, out, path.string());
  } catch (const Error& e) {
    throw Error(e).from(Side::destination);
  }
}

void DirStore::remove(const std::string& key, const std::stop_token& stop) {
  throw_if_stopped(stop);
  tree_.remove(key);
}

std::vector<UnfinishedUpload> DirStore::unfinished(const std::string& prefix,
                                                   const std::stop_token& stop) {
  std::vector<UnfinishedUpload> out;
  for (const auto& id : dir::upload_ids(tree_)) {
    throw_if_stopped(stop);
    const auto note = dir::read_sidecar(tree_, id);
    if (note && note->key.starts_with(prefix)) out.push_back({note->key, id});
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.key < b.key; });
  return out;
}

void DirStore::abandon(const UnfinishedUpload& upload, const std::stop_token& stop) {
  throw_if_stopped(stop);
  const auto note = dir::read_sidecar(tree_, upload.id);
  if (note && note->key == upload.key) dir::remove_upload(tree_, upload.id);
}

std::string DirStore::serving_uri(const std::string& key) const {
  std::string out = (tree_.root() / key).string();
  if (!out.ends_with('/')) out += '/';
  return out;
}

std::optional<std::uint64_t> DirStore::free_bytes() {
  for (fs::path path = tree_.root();; path = path.parent_path()) {
    struct statvfs info{};
    if (::statvfs(path.c_str(), &info) == 0) return std::uint64_t{info.f_bavail} * info.f_frsize;
    if (errno != ENOENT || path == path.parent_path()) return std::nullopt;
  }
}

}  // namespace dray
