#include "dray/release/bundle_plan.h"

#include <algorithm>
#include <set>
#include <utility>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/store/bundle_layout.h"
#include "dray/store/catalog.h"
#include "dray/store/stored_source.h"

namespace dray {

namespace {

/// The manifest as it is carried over.
Manifest for_transport(const Manifest& stored, const std::string& store) {
  Manifest manifest = stored;
  manifest.image = nullptr;
  for (ManifestFile& file : manifest.files) {
    file.etag.clear();
    file.blob.clear();
    file.blob_offset = 0;
  }
  manifest.lineage["copied_from"] = {{"store", store},
                                     {"name", stored.name},
                                     {"version", stored.version},
                                     {"root_digest", stored.root_digest}};
  return manifest;
}

/// Which earlier bundle holds what, by SHA-256: the ones named, or those that they need themselves.
std::map<std::string, std::string> held_before(const std::vector<Since>& since) {
  std::map<std::string, std::string> held;
  for (const Since& earlier : since)
    for (const BundleRelease& release : earlier.record.releases)
      for (const BundleFile& file : release.files)
        held.emplace(file.sha256, file.in.empty() ? earlier.record.id : file.in);
  return held;
}

BundleRelease describe(const Manifest& manifest, const std::string& text,
                       const std::map<std::string, std::string>& held) {
  BundleRelease release;
  release.name = manifest.name;
  release.version = manifest.version;
  release.root_digest = manifest.root_digest;
  release.manifest_size = text.size();
  release.manifest_sha256 = Sha256::hex_of(as_bytes(text));
  for (const ManifestFile& file : manifest.files) {
    const auto before = held.find(file.sha256);
    release.files.push_back({file.path, file.size, file.sha256,
                             before == held.end() || file.size == 0 ? "" : before->second});
  }
  return release;
}

EarlierBundle describe(const Since& since) {
  EarlierBundle earlier{.id = since.record.id, .name = since.name, .releases = {}};
  for (const BundleRelease& release : since.record.releases)
    earlier.releases.push_back(release.reference());
  return earlier;
}

/// The bundles that hold what is left out, each after those that it builds on.
std::vector<EarlierBundle> needed(const BundleRecord& record, const std::vector<Since>& since) {
  std::set<std::string> wanted;
  for (const BundleRelease& release : record.releases)
    for (const BundleFile& file : release.files)
      if (!file.in.empty()) wanted.insert(file.in);
  std::vector<EarlierBundle> out;
  const auto add = [&](const EarlierBundle& earlier) {
    if (wanted.erase(earlier.id) > 0) out.push_back(earlier);
  };
  for (const Since& named : since) {
    for (const EarlierBundle& earlier : named.record.needs) add(earlier);
    add(describe(named));
  }
  return out;
}

}  // namespace

BundlePlan plan_bundle(Store& store, const std::vector<Reference>& references,
                       const std::vector<Since>& since, const std::stop_token& stop) {
  std::map<std::pair<std::string, std::string>, Manifest> releases;  // sorted, each once
  for (const Reference& reference : references) {
    Manifest manifest = resolve_release(store, reference, stop);
    const std::pair key(manifest.name, manifest.version);
    releases.emplace(key, std::move(manifest));
  }
  const auto held = held_before(since);
  BundlePlan plan;
  plan.record.store = store.properties().uri;
  plan.record.created_by = "dray/" DRAY_VERSION;
  for (auto& [key, stored] : releases) {
    plan.manifests.push_back(for_transport(stored, store.properties().uri));
    plan.texts.push_back(to_json_text(plan.manifests.back()));
    plan.record.releases.push_back(describe(plan.manifests.back(), plan.texts.back(), held));
    plan.stored.push_back(std::move(stored));
  }
  plan.record.id = bundle_id(plan.record.releases);
  plan.record.needs = needed(plan.record, since);
  // What cannot be read again must not be written.
  static_cast<void>(parse_bundle_record(to_json_text(plan.record), "the bundle"));
  return plan;
}

BundleContents::BundleContents(Store& store, const BundlePlan& plan, std::string_view place)
    : name_(store.properties().uri) {
  for (std::size_t i = 0; i < plan.manifests.size(); ++i) {
    releases_.push_back(std::make_unique<StoredSource>(store, plan.stored[i], place));
    const BundleRelease& release = plan.record.releases[i];
    for (const BundleFile& file : release.files)
      if (file.in.empty())
        origins_[bundle_prefix(release) + file.path] = {releases_.back().get(), file.path};
  }
}

void BundleContents::read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
                          const std::stop_token& stop) {
  const Origin& origin = origins_.at(file.path);
  origin.release->read({origin.path, file.size, file.digests}, offset, out, stop);
}

}  // namespace dray
