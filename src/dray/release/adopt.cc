// Bytes that lie in a store without a manifest get one, hashed where they are.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/model/hf_config.h"
#include "dray/release/verify.h"
#include "dray/source/source.h"
#include "dray/store/catalog.h"
#include "dray/store/layout.h"
#include "dray/store/stored_source.h"
#include "dray/transfer/claim.h"
#include "dray/transfer/digest_objects.h"

namespace dray {

namespace {

constexpr std::uint64_t kReadmeLimit = 4 * kMiB;

void refuse_while_written(Store& store, std::string_view name, std::string_view version,
                          const TransferOptions& options, const std::stop_token& stop) {
  for (const auto& found : find_journals(store.state(), transfer_prefix(transfer_id(name, version)),
                                         options.claim_ttl, stop)) {
    if (!found.alive) continue;
    throw Error(Code::locked, "an import of this release is running")
        .on("adopt", fmt::format("{}:{}", name, version))
        .hint("wait until it is done");
  }
}

/// Where it came from, as the uploader noted in the objects' metadata; else the place itself.
Origin origin_of(Store& store, const std::string& prefix, const std::string& key,
                 const std::stop_token& stop) {
  Origin origin{store.properties().kind, store.serving_uri(prefix), "", "", ""};
  const auto stat = store.stat(key, stop);
  if (!stat) return origin;
  const std::string source = stat->meta("source");
  if (source.starts_with("hf://")) origin = {"hf", source, "", stat->meta("commit"), ""};
  return origin;
}

Manifest describe(Store& store, std::string_view name, std::string_view version,
                  const std::string& prefix, const std::vector<ObjectResult>& objects,
                  const std::stop_token& stop) {
  Manifest manifest;
  manifest.name = name;
  manifest.version = version;
  manifest.origin = origin_of(store, prefix, objects.front().key, stop);
  manifest.all_files = true;
  manifest.created = unix_now();
  manifest.created_by = "dray/" DRAY_VERSION;
  for (const ObjectResult& object : objects)
    manifest.files.push_back({object.key.substr(prefix.size()), object.size, object.sha256, "",
                              object.part_size, object.part_crc64, object.etag});
  std::sort(manifest.files.begin(), manifest.files.end(),
            [](const ManifestFile& a, const ManifestFile& b) { return a.path < b.path; });
  manifest.root_digest = root_digest_of(manifest.files);
  return manifest;
}

void read_info(Store& store, Manifest& manifest, std::string_view place,
               const std::stop_token& stop) {
  const ManifestFile* readme = manifest.find("README.md");
  if (readme == nullptr || readme->size > kReadmeLimit) return;
  StoredSource source(store, manifest, place);
  manifest.info = parse_readme_head(
      read_small(source, {readme->path, readme->size, {readme->sha256, ""}}, kReadmeLimit, stop));
}

}  // namespace

AdoptResult adopt_release(Store& store, std::string_view name, std::string_view version,
                          std::string_view place, const TransferOptions& options,
                          Progress& progress, const std::stop_token& stop) {
  check_name(name, "model name");
  check_name(version, "version");
  refuse_while_written(store, name, version, options, stop);
  const std::string prefix = release_prefix(name, version, place);
  std::vector<ObjectToRead> objects;
  std::uint64_t bytes = 0;
  for (const Listed& object : store.list(prefix, stop)) {
    const PartLayout layout = store.layout(object.size);
    objects.push_back({object.key.substr(prefix.size()), object.key, object.etag, object.size,
                       layout.count() > 1 ? layout.part_size : 0, ""});
    bytes += object.size;
  }
  if (objects.empty())
    throw Error(Code::not_found, "nothing lies there")
        .on("adopt", store.properties().uri + "/" + prefix)
        .from(Side::destination)
        .hint("`dray adopt --all` lists what could be adopted");
  progress.phase("reading");
  progress.total(bytes, objects.size());
  const auto found = digest_objects(store, objects, options, progress, stop);
  Manifest manifest = describe(store, name, version, prefix, found, stop);
  if (auto existing = find_manifest(store, name, version, stop)) {
    if (existing->root_digest == manifest.root_digest) return {std::move(*existing), false};
    throw Error(Code::conflict, "its manifest says other bytes than lie there")
        .on("adopt", fmt::format("{}:{}", name, version))
        .hint("`dray verify` tells which files differ");
  }
  read_info(store, manifest, place, stop);
  const bool changed = publish_manifest(store, manifest, stop);
  return {std::move(manifest), changed};
}

std::vector<std::pair<std::string, std::string>> find_adoptable(Store& store,
                                                                std::string_view place,
                                                                const std::stop_token& stop) {
  std::set<std::pair<std::string, std::string>> releases;
  for (const Listed& object : store.list(place_root(place), stop))
    if (auto release = release_of_key(object.key, place)) releases.insert(std::move(*release));
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& release : releases)
    if (!find_manifest(store, release.first, release.second, stop)) out.push_back(release);
  return out;
}

}  // namespace dray
