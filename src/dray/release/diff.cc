#include "dray/release/diff.h"

#include <algorithm>
#include <map>

#include "dray/release/diff_parts.h"

namespace dray {

std::optional<std::string> DiffReader::text(std::string_view path, std::uint64_t limit,
                                            const std::stop_token& stop) {
  const ManifestFile* file = manifest().find(path);
  if (file == nullptr) return std::nullopt;
  return read_small(source, {file->path, file->size, {file->sha256, ""}}, limit, stop);
}

bool differs(const Manifest& before, const Manifest& after, std::string_view path) {
  const ManifestFile* old = before.find(path);
  const ManifestFile* now = after.find(path);
  return old != nullptr && now != nullptr && old->sha256 != now->sha256;
}

void diff_files(const Manifest& before, const Manifest& after, ReleaseDifference& out) {
  using Kind = FileDifference::Kind;
  std::multimap<std::string, const ManifestFile*> gone;  // by digest
  for (const ManifestFile& file : before.files)
    if (after.find(file.path) == nullptr) gone.emplace(file.sha256, &file);
  for (const ManifestFile& file : after.files) {
    const ManifestFile* old = before.find(file.path);
    if (old != nullptr && old->sha256 == file.sha256) continue;
    FileDifference change{.kind = Kind::changed, .path = file.path};
    change.size = file.size;
    change.sha256 = file.sha256;
    if (old == nullptr) {
      const auto moved = gone.find(file.sha256);
      change.kind = moved == gone.end() ? Kind::added : Kind::renamed;
      if (moved != gone.end()) {
        old = moved->second;
        change.old_path = old->path;
        gone.erase(moved);
      }
    }
    if (old != nullptr) {
      change.old_size = old->size;
      change.old_sha256 = old->sha256;
    }
    out.files.push_back(std::move(change));
  }
  for (const auto& [sha256, file] : gone) {
    FileDifference change{.kind = Kind::removed, .path = file->path};
    change.old_size = file->size;
    change.old_sha256 = sha256;
    out.files.push_back(std::move(change));
  }
  std::ranges::sort(out.files, {}, &FileDifference::path);
}

ReleaseDifference diff_releases(const DiffSide& before, const DiffSide& after,
                                const std::stop_token& stop) {
  ReleaseDifference out;
  out.same_content = before.manifest.root_digest == after.manifest.root_digest;
  DiffReader old(before), now(after);
  diff_files(before.manifest, after.manifest, out);
  diff_settings(old, now, out, stop);
  diff_templates(old, now, out, stop);
  diff_tensors(old, now, out, stop);
  diff_metrics(before, after, out, stop);
  return out;
}

}  // namespace dray
