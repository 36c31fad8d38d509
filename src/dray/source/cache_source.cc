#include "dray/source/cache_source.h"

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/hub/listing.h"
#include "dray/source/known_tree.h"
#include "dray/source/listing.h"

namespace dray {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLongestRef = 1 << 10, kLongestReadme = 1 << 20;

hub::RepoRef with_revision(hub::RepoRef ref) {
  if (ref.revision.empty()) ref.revision = "main";
  return ref;
}

fs::path folder_of_repo(const fs::path& cache, const std::string& repo) {
  std::string folder = "models--" + repo;
  if (const std::size_t slash = folder.find('/'); slash != std::string::npos)
    folder.replace(slash, 1, "--");
  return cache / folder;
}

}  // namespace

CacheSource::CacheSource(hub::RepoRef ref, fs::path cache)
    : ref_(with_revision(std::move(ref))),
      folder_(folder_of_repo(fs::absolute(cache), ref_.repo)) {}

std::string CacheSource::commit() const {
  const auto missing = [&](std::string what) {
    return Error(Code::not_found, std::move(what)).on("look up", name()).from(Side::source);
  };
  std::error_code error;
  if (!fs::is_directory(folder_, error))
    throw missing("the cache has no such model: " + folder_.string())
        .hint("import it from the Hub: " + ref_.text());
  if (hub::is_commit(ref_.revision)) return ref_.revision;
  const auto text = read_file(folder_ / "refs" / ref_.revision, kLongestRef);
  if (!text)
    throw missing("the cache does not know the revision '" + ref_.revision + "'")
        .hint("name a commit that is in " + (folder_ / "snapshots").string());
  const std::string commit = text->substr(0, text->find_last_not_of(" \r\n") + 1);
  if (!hub::is_commit(commit))
    throw Error(Code::malformed, "the cache's reference '" + ref_.revision + "' holds no commit")
        .on("look up", name())
        .from(Side::source);
  return commit;
}

Snapshot CacheSource::snapshot(const std::stop_token& stop) {
  const std::string commit = this->commit();
  const fs::path place = folder_ / "snapshots" / commit;
  std::error_code error;
  if (!fs::is_directory(place, error))
    throw Error(Code::not_found, "the cache has no files of commit " + commit)
        .on("list", name())
        .from(Side::source)
        .hint("import it from the Hub: " + ref_.uri() + "@" + commit);
  files_ = list_local(place, folder_, [](std::string_view) { return false; }, name(), stop);

  const auto known = known_tree(folder_ / "trees" / (commit + ".json"));
  const fs::path blobs = fs::canonical(folder_) / "blobs";
  Snapshot snapshot;
  for (const auto& [path, file] : files_) {
    FileEntry entry{.path = path, .size = file.size};
    if (const auto it = known.find(path); it != known.end()) entry.digests = it->second;
    if (!entry.digests.any() && file.link && file.place.parent_path() == blobs) {
      const std::string blob = file.place.filename().string();
      entry.digests = {hub::sha256_of(blob), hub::git_id_of(blob)};
    }
    snapshot.files.push_back(std::move(entry));
  }
  check_and_sort(snapshot.files, name());
  warn_of_absent(known, files_, "the cache");

  snapshot.origin = {.kind = "hf", .uri = ref_.uri(), .revision = ref_.revision, .commit = commit};
  snapshot.default_name = ref_.last_part();
  snapshot.info = info_of_readme([&](const std::string& path) -> std::optional<std::string> {
    const FileEntry* file = snapshot.find(path);
    if (file == nullptr) return std::nullopt;
    std::string text(std::min(file->size, kLongestReadme), '\0');
    read(*file, 0, std::as_writable_bytes(std::span(text)), stop);
    return text;
  });
  return snapshot;
}

void CacheSource::read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
                       const std::stop_token&) {
  read_local(files_.at(file.path), name() + "/" + file.path, offset, out);
  check_no_pointer(file, offset, out, name());
}

}  // namespace dray
