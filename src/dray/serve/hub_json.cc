#include "dray/serve/hub_json.h"

#include <algorithm>
#include <utility>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "dray/model/file_kind.h"

namespace dray {

namespace {

// A snapshot has no history; clients want some time.
constexpr auto kTime = "1970-01-01T00:00:00.000Z";

Json lfs_facts(const ServedFile& file, const char* digest_key) {
  return {{digest_key, file.etag}, {"size", file.entry.size}, {"pointerSize", file.pointer.size()}};
}

Json sibling(const ServedFile& file, bool with_blobs) {
  Json json = {{"rfilename", file.entry.path}};
  if (!with_blobs) return json;
  json["size"] = file.entry.size;
  json["blobId"] = file.blob_id;
  if (file.lfs) json["lfs"] = lfs_facts(file, "sha256");
  return json;
}

Json card_data(const ModelInfo& info) {
  Json card = Json::object();
  if (!info.license.empty()) card["license"] = info.license;
  if (!info.library.empty()) card["library_name"] = info.library;
  if (!info.pipeline_tag.empty()) card["pipeline_tag"] = info.pipeline_tag;
  if (!info.base_models.empty()) card["base_model"] = info.base_models;
  if (!info.tags.empty()) card["tags"] = info.tags;
  if (!info.languages.empty()) card["language"] = info.languages;
  return card;
}

}  // namespace

Json hub_info(const std::string& id, const ServedSnapshot& served, bool with_blobs) {
  Json siblings = Json::array();
  for (const auto& file : served.files) siblings.push_back(sibling(file, with_blobs));
  Json json = {{"id", id},
               {"modelId", id},
               {"sha", served.commit},
               {"private", false},
               {"gated", false},
               {"disabled", false},
               {"lastModified", kTime},
               {"createdAt", kTime},
               {"downloads", 0},
               {"likes", 0},
               {"tags", served.info.tags},
               {"cardData", card_data(served.info)},
               {"siblings", std::move(siblings)}};
  if (!served.info.pipeline_tag.empty()) json["pipeline_tag"] = served.info.pipeline_tag;
  if (!served.info.library.empty()) json["library_name"] = served.info.library;
  return json;
}

Json hub_refs(const ServedSnapshot& served) {
  const Json branch = {
      {"name", "main"}, {"ref", "refs/heads/main"}, {"targetCommit", served.commit}};
  return {{"branches", Json::array({branch})},
          {"converts", Json::array()},
          {"tags", Json::array()},
          {"pullRequests", Json::array()}};
}

std::optional<std::vector<HubEntry>> hub_listing(const ServedSnapshot& served,
                                                 std::string_view folder, bool recursive) {
  if (!folder.empty() && !served.folders.contains(folder)) return std::nullopt;
  const auto below = [&](std::string_view path) {
    if (!recursive) return folder_of(path) == folder;
    return folder.empty() ||
           (path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/');
  };
  std::vector<HubEntry> entries;
  for (const auto& file : served.files)
    if (below(file.entry.path)) entries.push_back({.path = file.entry.path, .file = &file});
  for (const auto& path : served.folders)
    if (below(path)) entries.push_back({.path = path, .file = nullptr});
  std::sort(entries.begin(), entries.end(),
            [](const HubEntry& a, const HubEntry& b) { return a.path < b.path; });
  return entries;
}

std::optional<HubEntry> hub_entry(const ServedSnapshot& served, std::string_view path) {
  if (const auto* file = served.find(path)) return HubEntry{.path = file->entry.path, .file = file};
  if (const auto at = served.folders.find(path); at != served.folders.end())
    return HubEntry{.path = *at, .file = nullptr};
  return std::nullopt;
}

Json hub_entry_json(const HubEntry& entry, const ServedSnapshot& served, bool expand) {
  Json json = {{"path", entry.path}};
  if (entry.file != nullptr) {
    json["type"] = "file";
    json["size"] = entry.file->entry.size;
    json["oid"] = entry.file->blob_id;
    if (entry.file->lfs) json["lfs"] = lfs_facts(*entry.file, "oid");
  } else {
    json["type"] = "directory";
    json["size"] = 0;
    // Nobody looks a tree up by its id; it has to look like one and to differ.
    json["oid"] = GitBlobSha1::hex_of(as_bytes(served.commit + std::string(entry.path)));
  }
  if (expand) json["lastCommit"] = {{"id", served.commit}, {"title", "snapshot"}, {"date", kTime}};
  return json;
}

}  // namespace dray
