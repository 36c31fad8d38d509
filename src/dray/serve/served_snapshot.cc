#include "dray/serve/served_snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/time.h"

namespace dray {

namespace {

constexpr std::uint64_t kLargestInGit = 10 * kMiB;
constexpr std::uint64_t kReadBlock = 4 * kMiB;

template <typename Hash>
std::string hash_file(Source& source, const FileEntry& file, Hash hash,
                      const std::stop_token& stop) {
  Buffer buffer(static_cast<std::size_t>(std::min(file.size, kReadBlock)));
  for (std::uint64_t at = 0; at < file.size; at += buffer.size()) {
    throw_if_stopped(stop);
    const auto block = MutableBytes(buffer).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), file.size - at)));
    source.read(file, at, block, stop);
    hash.update(block);
  }
  return hash.hex();
}

void compute_digest(Source& source, FileEntry& file, const std::stop_token& stop) {
  if (file.size <= kLargestInGit)
    file.digests.git_sha1 = hash_file(source, file, GitBlobSha1(file.size), stop);
  else
    file.digests.sha256 = hash_file(source, file, Sha256(), stop);
}

ServedFile serve_file(FileEntry entry) {
  ServedFile file;
  file.lfs = entry.digests.git_sha1.empty();
  file.etag = file.lfs ? entry.digests.sha256 : entry.digests.git_sha1;
  file.blob_id = file.etag;
  if (file.lfs) {
    file.pointer =
        fmt::format("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n",
                    entry.digests.sha256, entry.size);
    file.blob_id = GitBlobSha1::hex_of(as_bytes(file.pointer));
  }
  file.entry = std::move(entry);
  return file;
}

bool is_commit(std::string_view text) {
  return text.size() == 40 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string digest_of_listing(const std::vector<ServedFile>& files) {
  std::string listing;
  for (const auto& file : files) listing += fmt::format("{} {}\n", file.etag, file.entry.path);
  return GitBlobSha1::hex_of(as_bytes(listing));
}

}  // namespace

const ServedFile* ServedSnapshot::find(std::string_view path) const {
  const auto at = std::lower_bound(
      files.begin(), files.end(), path,
      [](const ServedFile& file, std::string_view p) { return file.entry.path < p; });
  return at != files.end() && at->entry.path == path ? &*at : nullptr;
}

bool ServedSnapshot::has_revision(std::string_view revision) const {
  return revision == commit || revision == "main" || revision == "HEAD" ||
         (!revision.empty() && revision == origin.revision);
}

std::shared_ptr<const ServedSnapshot> load_served(Source& source, const std::stop_token& stop) {
  if (!source.random_access())
    throw Error(Code::unsupported, "can only be read in order, and serving needs any range")
        .on("serve", source.name())
        .from(Side::source);
  Snapshot snapshot = source.snapshot(stop);
  auto served = std::make_shared<ServedSnapshot>();
  for (auto& entry : snapshot.files) {
    if (!entry.digests.any()) compute_digest(source, entry, stop);
    served->files.push_back(serve_file(std::move(entry)));
    const std::string& path = served->files.back().entry.path;
    for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1))
      served->folders.insert(path.substr(0, slash));
  }
  served->commit =
      is_commit(snapshot.origin.commit) ? snapshot.origin.commit : digest_of_listing(served->files);
  served->origin = std::move(snapshot.origin);
  served->info = std::move(snapshot.info);
  return served;
}

}  // namespace dray
