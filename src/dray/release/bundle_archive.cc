#include "dray/release/bundle_archive.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "dray/model/tar_header.h"
#include "dray/model/tar_writer.h"
#include "dray/store/bundle_layout.h"
#include "dray/store/volume_store.h"

namespace dray {

namespace {

/// Collects members; literal bytes that follow each other become one segment.
class Archive {
 public:
  void file(const std::string& key, const BundleFile& from, UnixTime time) {
    header(key, from.size, time);
    if (from.size == 0) return;
    flush();
    object_.segments.push_back(SourceSegment{plan_.units.size(), {0, from.size}});
    plan_.units.push_back({key, from.size, {from.sha256, ""}});
    literal_.resize(tar::padding(from.size));
  }

  void text(const std::string& key, std::string_view content, UnixTime time) {
    header(key, content.size(), time);
    append(as_bytes(content));
    literal_.resize(literal_.size() + tar::padding(content.size()));
  }

  TransferPlan finish() && {
    append(tar::archive_end());
    flush();
    object_.label = "the archive";
    object_.spec.key = VolumeStore::kKey;
    object_.spec.size = object_.input_size();
    plan_.objects.push_back(std::move(object_));
    return std::move(plan_);
  }

 private:
  void header(const std::string& key, std::uint64_t size, UnixTime time) {
    const auto mtime = static_cast<std::uint64_t>(std::max<UnixTime>(0, time));
    for (auto slash = key.find('/'); slash != std::string::npos; slash = key.find('/', slash + 1))
      if (folders_.insert(key.substr(0, slash)).second)
        append(tar::folder_header(key.substr(0, slash), tar::kFolderMode, mtime));
    append(tar::file_header(key, size, tar::kFileMode, mtime));
  }
  void append(Bytes bytes) { literal_.insert(literal_.end(), bytes.begin(), bytes.end()); }
  void flush() {
    if (literal_.empty()) return;
    object_.segments.push_back(
        LiteralSegment{std::make_shared<const Buffer>(std::exchange(literal_, {}))});
  }

  TransferPlan plan_;
  ObjectPlan object_;
  Buffer literal_;
  std::set<std::string> folders_;
};

}  // namespace

TransferPlan plan_archive(const BundlePlan& plan) {
  Archive archive;
  UnixTime latest = 0;
  const auto& releases = plan.record.releases;
  for (std::size_t i = 0; i < releases.size(); ++i) {
    const UnixTime time = plan.manifests[i].created;
    latest = std::max(latest, time);
    for (const BundleFile& file : releases[i].files)
      if (file.in.empty()) archive.file(bundle_prefix(releases[i]) + file.path, file, time);
    archive.text(bundle_manifest_key(releases[i]), plan.texts[i], time);
  }
  archive.text(std::string(kBundleRecordKey), to_json_text(plan.record), latest);
  return std::move(archive).finish();
}

}  // namespace dray
