#include "dray/store/bundle_store.h"

#include <algorithm>
#include <set>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/time.h"
#include "dray/store/bundle_layout.h"

namespace dray {

namespace {

constexpr std::uint64_t kReadPart = 32 * kMiB;

[[noreturn]] void only_read(const std::string& what) {
  throw Error(Code::internal, "a bundle is only read").on(what, "bundle");
}

}  // namespace

BundleStore::BundleStore(std::string uri, const BundleRecord& record,
                         std::shared_ptr<const BundleTree> tree)
    : tree_(std::move(tree)) {
  properties_ = {.uri = std::move(uri), .kind = "bundle", .local_disk = true};
  for (const BundleRelease& release : record.releases)
    for (const BundleFile& file : release.files)
      places_[release_prefix(release.name, release.version) + file.path] = {
          .size = file.size,
          .in_bundle = file.in.empty() ? bundle_prefix(release) + file.path : "",
          .source = nullptr,
          .entry = {}};
}

void BundleStore::lend(const BundleRelease& release, const BundleFile& file,
                       std::shared_ptr<Source> source, FileEntry entry) {
  Place& place = places_.at(release_prefix(release.name, release.version) + file.path);
  place.source = std::move(source);
  place.entry = std::move(entry);
}

std::optional<StoredObject> BundleStore::stat(const std::string& key, const std::stop_token&) {
  const auto found = places_.find(key);
  if (found == places_.end()) return std::nullopt;
  const Place& place = found->second;
  if (place.in_bundle.empty()) {
    if (!place.source) return std::nullopt;
    return StoredObject{key, place.size, "", std::nullopt, {}};
  }
  const auto size = tree_->size_of(place.in_bundle);
  if (!size) return std::nullopt;
  return StoredObject{key, *size, "", std::nullopt, {}};
}

std::vector<Listed> BundleStore::list(const std::string& prefix, const std::stop_token& stop) {
  std::vector<Listed> out;
  for (auto it = places_.lower_bound(prefix); it != places_.end() && it->first.starts_with(prefix);
       ++it)
    if (const auto object = stat(it->first, stop)) out.push_back({it->first, object->size, ""});
  return out;
}

std::vector<std::string> BundleStore::list_names(const std::string& prefix,
                                                 const std::stop_token&) {
  std::set<std::string> out;
  for (auto it = places_.lower_bound(prefix); it != places_.end() && it->first.starts_with(prefix);
       ++it)
    out.insert(it->first.substr(prefix.size(), it->first.find('/', prefix.size()) - prefix.size()));
  return {out.begin(), out.end()};
}

void BundleStore::read(const std::string& key, const std::string&, std::uint64_t offset,
                       MutableBytes out, const std::stop_token& stop) {
  throw_if_stopped(stop);
  const auto found = places_.find(key);
  if (found == places_.end())
    throw Error(Code::not_found, "the bundle has no such file").on("read", key).from(Side::source);
  const Place& place = found->second;
  if (!place.in_bundle.empty()) return tree_->read(place.in_bundle, offset, out);
  if (!place.source)
    throw Error(Code::not_found, "the file is in an earlier bundle")
        .on("read", key)
        .from(Side::source);
  place.source->read(place.entry, offset, out, stop);
}

std::string BundleStore::serving_uri(const std::string& key) const {
  return properties_.uri + "/" + key + (key.ends_with('/') ? "" : "/");
}

PartLayout BundleStore::layout(std::uint64_t object_size) const {
  return {object_size, kReadPart, false};
}

std::vector<UnfinishedUpload> BundleStore::unfinished(const std::string&, const std::stop_token&) {
  return {};
}

std::optional<StoredObject> BundleStore::copy(const StoredObject&, const ObjectSpec&,
                                              const std::stop_token&) {
  return std::nullopt;
}

StateStore& BundleStore::state() { only_read("look for records in"); }
std::unique_ptr<Upload> BundleStore::begin(const ObjectSpec&, const SavedUpload*,
                                           const std::stop_token&) {
  only_read("write to");
}
StoredObject BundleStore::create(const ObjectSpec&, Bytes, const std::string&,
                                 const std::stop_token&) {
  only_read("write to");
}
void BundleStore::remove(const std::string&, const std::stop_token&) { only_read("remove from"); }
void BundleStore::abandon(const UnfinishedUpload&, const std::stop_token&) {
  only_read("remove from");
}

}  // namespace dray
