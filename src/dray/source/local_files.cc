#include "dray/source/local_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/time.h"
#include "dray/source/listing.h"

namespace dray {

namespace {

namespace fs = std::filesystem;

constexpr int kDeepest = 64;

std::int64_t modified_ns(const struct stat& facts) {
  return static_cast<std::int64_t>(facts.st_mtim.tv_sec) * 1'000'000'000 + facts.st_mtim.tv_nsec;
}

[[noreturn]] void refuse(const std::string& source, const std::string& path, std::string why,
                         std::string hint = "") {
  throw Error(Code::malformed, std::move(why))
      .on("list", source + "/" + path)
      .from(Side::source)
      .hint(std::move(hint));
}

[[noreturn]] void throw_system(const std::string& verb, const std::string& object) {
  try {
    throw_errno(verb, object);
  } catch (const Error& error) {
    throw Error(error).from(Side::source);
  }
}

struct stat facts_of(const fs::path& file, const std::string& name) {
  struct stat facts{};
  if (::stat(file.c_str(), &facts) != 0) throw_system("list", name);
  return facts;
}

bool is_below(const fs::path& file, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), file.begin(), file.end()).first ==
         folder.end();
}

void check_unchanged(int fd, const LocalFile& file, const std::string& name) {
  struct stat facts{};
  if (::fstat(fd, &facts) != 0) throw_system("read", name);
  if (static_cast<std::uint64_t>(facts.st_size) == file.size &&
      modified_ns(facts) == file.modified_ns)
    return;
  throw Error(Code::verification, "the file was changed after it was listed")
      .on("read", name)
      .from(Side::source)
      .hint("run again when nothing writes to it");
}

class Lister {
 public:
  Lister(fs::path bounds, const std::function<bool(std::string_view)>& skip,
         const std::string& source, const std::stop_token& stop)
      : bounds_(std::move(bounds)), skip_(skip), source_(source), stop_(stop) {}

  void walk(const fs::path& folder, const std::string& prefix, int depth) {
    if (depth > kDeepest) refuse(source_, prefix, "folders more than 64 deep");
    std::error_code error;
    fs::directory_iterator entries(folder, error);
    for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
      throw_if_stopped(stop_);
      add(*entries, prefix + entries->path().filename().string(), depth);
    }
    if (error) {
      errno = error.value();
      throw_system("list", source_ + "/" + prefix);
    }
  }

  std::map<std::string, LocalFile> files;

 private:
  void add(const fs::directory_entry& entry, const std::string& path, int depth) {
    if (skip_(path)) return;
    std::error_code error;
    const fs::file_status own = entry.symlink_status(error);
    if (fs::is_directory(own)) return walk(entry.path(), path + "/", depth + 1);
    if (!fs::is_regular_file(own) && !fs::is_symlink(own))
      refuse(source_, path, "neither a file nor a folder");
    if (files.size() >= kMostLocalFiles) refuse(source_, path, "more than 200,000 files");
    LocalFile file{.place = entry.path(), .link = fs::is_symlink(own)};
    if (file.link) {
      file.place = fs::canonical(entry.path(), error);
      if (error) refuse(source_, path, "a link that leads nowhere");
      if (!is_below(file.place, bounds_))
        refuse(source_, path, "a link out of the folder",
               "copy the folder with its links followed (cp -rL); a model in the Hub's cache is "
               "imported as hf-cache:org/name");
      if (!fs::is_regular_file(file.place)) refuse(source_, path, "a link to something not a file");
    }
    const struct stat facts = facts_of(file.place, source_ + "/" + path);
    file.size = static_cast<std::uint64_t>(facts.st_size);
    file.modified_ns = modified_ns(facts);
    files.emplace(path, std::move(file));
  }

  const fs::path bounds_;
  const std::function<bool(std::string_view)>& skip_;
  const std::string& source_;
  const std::stop_token& stop_;
};

}  // namespace

void read_local(const LocalFile& file, const std::string& name, std::uint64_t offset,
                MutableBytes out) {
  // Not through a link that took the file's place since.
  const Fd fd(::open(file.place.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) throw_system("read", name);
  check_unchanged(fd.get(), file, name);
  try {
    pread_exact(fd.get(), offset, out, name);
  } catch (const Error& error) {
    check_unchanged(fd.get(), file, name);
    throw Error(error).from(Side::source);
  }
  check_unchanged(fd.get(), file, name);
}

std::map<std::string, LocalFile> list_local(const fs::path& folder, const fs::path& bounds,
                                            const std::function<bool(std::string_view)>& skip,
                                            const std::string& source,
                                            const std::stop_token& stop) {
  Lister lister(fs::canonical(bounds), skip, source, stop);
  lister.walk(folder, "", 0);
  return std::move(lister.files);
}

}  // namespace dray
