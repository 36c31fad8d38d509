#include "dray/source/hub_source.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

#include "dray/base/error.h"
#include "dray/source/listing.h"
#include "dray/source/streamed_reader.h"

namespace dray {

namespace {

constexpr std::size_t kHeadsAtOnce = 8;

hub::RepoRef with_revision(hub::RepoRef ref) {
  if (ref.revision.empty()) ref.revision = "main";
  return ref;
}

bool is_complete(const hub::RepoFile& file) {
  return file.size && (!file.sha256.empty() || !file.git_sha1.empty());
}

/// What the client checks answers against.
hub::RepoFile stated(const FileEntry& file) {
  return {.path = file.path,
          .size = file.size,
          .sha256 = file.digests.sha256,
          .git_sha1 = file.digests.git_sha1,
          .lfs = !file.digests.sha256.empty()};
}

/// Takes over what the headers of one file say. The ETag of a Hub is the content's SHA-256 or git
/// id; a server that states no commit is not known to be one, and its 40 digits may be the SHA-1 of
/// something else.
void take_over(const hub::FileFacts& facts, hub::RepoFile& file) {
  if (!file.size) file.size = facts.size;
  if (!file.sha256.empty() || !file.git_sha1.empty()) return;
  file.sha256 = hub::sha256_of(facts.etag);
  if (!facts.commit.empty() && !file.lfs) file.git_sha1 = hub::git_id_of(facts.etag);
}

ModelInfo model_info(const hub::RepoInfo& info) {
  return {.license = info.license,
          .library = info.library,
          .pipeline_tag = info.pipeline_tag,
          .base_models = info.base_models,
          .tags = info.tags,
          .languages = info.languages,
          .gated = !info.gated.empty(),
          .is_private = info.is_private};
}

}  // namespace

HubSource::HubSource(hub::RepoRef ref, hub::ClientOptions options)
    : ref_(with_revision(std::move(ref))),
      client_(std::move(options)),
      pin_{ref_.repo, ref_.revision} {}

Snapshot HubSource::snapshot(const std::stop_token& stop) {
  const hub::RepoInfo info = client_.info(ref_.repo, ref_.revision, false, stop);
  if (info.disabled)
    throw Error(Code::not_found, "the Hub has disabled this repository")
        .on("look up", name())
        .from(Side::source)
        .hint("its page may say why: " + client_.endpoint() + "/" + ref_.repo);
  if (hub::is_repo_id(info.id)) pin_.repo = info.id;
  if (!info.commit.empty()) pin_.commit = info.commit;

  std::vector<hub::RepoFile> files = list(info, stop);
  fill_in(files, stop);
  Snapshot snapshot;
  snapshot.files.reserve(files.size());
  for (const hub::RepoFile& file : files)
    snapshot.files.push_back({file.path, file.size.value(), {file.sha256, file.git_sha1}});
  check_and_sort(snapshot.files, name());
  probe(files, stop);

  snapshot.origin = {.kind = "hf",
                     .uri = "hf://" + pin_.repo,
                     .revision = ref_.revision,
                     .commit = hub::is_commit(pin_.commit) ? pin_.commit : "",
                     .endpoint = client_.endpoint()};
  snapshot.default_name = ref_.last_part();
  snapshot.info = model_info(info);
  return snapshot;
}

std::vector<hub::RepoFile> HubSource::list(const hub::RepoInfo& info, const std::stop_token& stop) {
  if (auto tree = client_.tree(pin_, stop)) return std::move(*tree);
  // Mirrors without that endpoint list names at least.
  const bool sizes = std::all_of(info.siblings.begin(), info.siblings.end(), is_complete);
  if (sizes) return info.siblings;
  return client_.info(pin_.repo, pin_.commit, true, stop).siblings;
}

/// Asks for each file whose size or digest the listing leaves out.
void HubSource::fill_in(std::vector<hub::RepoFile>& files, const std::stop_token& stop) {
  std::vector<hub::RepoFile*> open;
  for (hub::RepoFile& file : files)
    if (!is_complete(file)) open.push_back(&file);
  if (open.empty()) return;
  std::vector<FileEntry> paths;
  for (const hub::RepoFile* file : open) paths.push_back({.path = file->path});
  check_and_sort(paths, name());  // before a path becomes part of a request

  const auto ask = [&](hub::RepoFile& file, const std::stop_token& token) {
    const hub::FileFacts facts = client_.facts(pin_, file.path, token);
    take_over(facts, file);
    if (!file.size)
      throw Error(Code::malformed, "the server states no size of this file")
          .on("look up", name() + "/" + file.path)
          .from(Side::source);
    return facts;
  };
  // The first one may tell the commit that the listing did not.
  const hub::FileFacts first = ask(*open[0], stop);
  if (!hub::is_commit(pin_.commit) && hub::is_commit(first.commit)) pin_.commit = first.commit;

  std::atomic<std::size_t> next = 1;
  std::mutex mutex;
  std::optional<Error> failure;  // the first; guarded by mutex
  std::stop_source halt;
  const std::stop_callback forward(stop, [&] { halt.request_stop(); });
  {
    std::vector<std::jthread> workers;
    for (std::size_t i = 0; i < std::min(kHeadsAtOnce, open.size() - 1); ++i)
      workers.emplace_back([&] {
        try {
          for (std::size_t at = next++; at < open.size(); at = next++)
            ask(*open[at], halt.get_token());
        } catch (...) {
          const Error error = current_error();
          const std::lock_guard lock(mutex);
          if (!failure) failure = error;
          halt.request_stop();
        }
      });
  }
  if (failure) throw Error(*failure);
}

/// Fetches a byte of the largest file.
void HubSource::probe(const std::vector<hub::RepoFile>& files, const std::stop_token& stop) {
  const auto largest = std::max_element(
      files.begin(), files.end(),
      [](const hub::RepoFile& a, const hub::RepoFile& b) { return a.size < b.size; });
  ranges_ = client_.probe(pin_, *largest, stop);
}

void HubSource::read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
                     const std::stop_token& stop) {
  client_.read(pin_, stated(file), offset, out, stop);
  check_no_pointer(file, offset, out, name());
}

std::unique_ptr<OrderedReader> HubSource::open_ordered(const std::vector<FileEntry>& files,
                                                       const std::stop_token& stop) {
  return std::make_unique<StreamedReader>(
      files,
      [this](const FileEntry& file, const std::function<bool(Bytes)>& sink,
             const std::stop_token& token) { client_.stream(pin_, stated(file), sink, token); },
      name(), stop);
}

}  // namespace dray
