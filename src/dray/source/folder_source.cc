#include "dray/source/folder_source.h"

#include <cmath>
#include <cstdlib>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/hub/listing.h"
#include "dray/hub/reference.h"
#include "dray/model/file_kind.h"
#include "dray/source/known_tree.h"
#include "dray/source/listing.h"

namespace dray {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLongestNote = 4 << 10, kLongestReadme = 1 << 20;

bool is_housekeeping(std::string_view path) {
  return path == ".git" || path == ".cache/huggingface";
}

fs::path full_path(const fs::path& folder) {
  fs::path out = fs::absolute(folder).lexically_normal();
  return out.has_filename() ? out : out.parent_path();
}

std::optional<DownloadNote> note_of(const fs::path& folder, const std::string& path,
                                    const LocalFile& file) {
  const fs::path place = folder / ".cache/huggingface/download" / (path + ".metadata");
  const auto text = read_file(place, kLongestNote);
  if (!text) return std::nullopt;
  auto note = parse_download_note(*text);
  // The client's own rule: a file that was written after its note is another one.
  const double modified = static_cast<double>(file.modified_ns) / 1e9;
  if (!note || modified > note->time + 1) return std::nullopt;
  return note;
}

}  // namespace

std::optional<DownloadNote> parse_download_note(std::string_view text) {
  DownloadNote note;
  std::string time;
  for (std::string* line : {&note.commit, &note.etag, &time}) {
    const std::size_t end = text.find('\n');
    *line = text.substr(0, end);
    if (line->ends_with('\r')) line->pop_back();
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  char* end = nullptr;
  note.time = std::strtod(time.c_str(), &end);
  if (time.empty() || *end != '\0' || !std::isfinite(note.time)) return std::nullopt;
  if (!hub::is_commit(note.commit) || !text.empty()) return std::nullopt;
  return note;
}

FolderSource::FolderSource(fs::path folder) : folder_(full_path(folder)) {}

std::string FolderSource::name() const { return "dir:" + folder_.string(); }

Snapshot FolderSource::snapshot(const std::stop_token& stop) {
  std::error_code error;
  if (!fs::is_directory(folder_, error))
    throw Error(Code::not_found, error ? error.message() : "this is not a folder")
        .on("list", name())
        .from(Side::source)
        .hint("a model of the Hub is named hf://org/name");
  files_ = list_local(folder_, folder_, is_housekeeping, name(), stop);

  Snapshot snapshot;
  std::set<std::string> commits;  // "" for a file without note
  for (const auto& [path, file] : files_) {
    FileEntry entry{.path = path, .size = file.size};
    const auto note = note_of(folder_, path, file);
    if (note) {
      entry.digests.sha256 = hub::sha256_of(note->etag);
      entry.digests.git_sha1 = hub::git_id_of(note->etag);
    }
    commits.insert(note ? note->commit : "");
    snapshot.files.push_back(std::move(entry));
  }
  check_and_sort(snapshot.files, name());
  const ReadSmall read_text = [&](const std::string& path) -> std::optional<std::string> {
    const FileEntry* file = snapshot.find(path);
    if (file == nullptr) return std::nullopt;
    std::string text(std::min(file->size, kLongestReadme), '\0');
    read(*file, 0, std::as_writable_bytes(std::span(text)), stop);
    return text;
  };
  // A clone without LFS is found before anything is moved.
  for (const FileEntry& file : snapshot.files)
    if (file.size <= kLongestNote && is_weights(file_kind(file.path))) read_text(file.path);

  snapshot.origin = {.kind = "dir", .uri = name()};
  if (commits.size() == 1) snapshot.origin.commit = *commits.begin();
  if (!snapshot.origin.commit.empty())
    warn_of_absent(
        known_tree(folder_ / ".cache/huggingface/trees" / (snapshot.origin.commit + ".json")),
        files_, "the folder");
  snapshot.default_name = folder_.filename().string();
  snapshot.info = info_of_readme(read_text);
  return snapshot;
}

void FolderSource::read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
                        const std::stop_token&) {
  read_local(files_.at(file.path), name() + "/" + file.path, offset, out);
  check_no_pointer(file, offset, out, name());
}

}  // namespace dray
