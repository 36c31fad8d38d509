#include "dray/model/bundle_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/base/path.h"
#include "dray/model/manifest.h"
#include "dray/model/reference.h"

namespace dray {

namespace {

constexpr std::string_view kFormat = "dray-bundle";
constexpr std::uint64_t kFormatVersion = 1;
constexpr JsonLimits kLimits{.bytes = 64 << 20, .depth = 16};
constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 43;
constexpr std::size_t kMostFiles = 1'000'000, kMostReleases = 10'000;

[[noreturn]] void fail(std::string_view what, const std::string& why) {
  throw Error(Code::malformed, fmt::format("{}: {}", what, why));
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string get_sha256(const Json& json, std::string_view key, std::string_view what) {
  std::string text = get_string(json, key, what);
  if (!is_sha256(text)) fail(what, fmt::format("'{}' is no SHA-256", key));
  return text;
}

void check_id(std::string_view id, std::string_view what) {
  if (!id.starts_with("sha256:") || !is_sha256(id.substr(7)))
    fail(what, "a bundle's id is not sha256: and 64 hexadecimal digits");
}

Json to_json(const BundleRelease& release) {
  Json files = Json::array();
  for (const BundleFile& file : release.files) {
    Json json = {{"path", file.path}, {"size", file.size}, {"sha256", file.sha256}};
    if (!file.in.empty()) json["in"] = file.in;
    files.push_back(std::move(json));
  }
  return {{"name", release.name},
          {"version", release.version},
          {"root_digest", release.root_digest},
          {"manifest", {{"size", release.manifest_size}, {"sha256", release.manifest_sha256}}},
          {"files", std::move(files)}};
}

Json to_json(const BundleVolumes& volumes) {
  Json list = Json::array();
  for (const auto& volume : volumes.list)
    list.push_back(
        {{"size", volume.size}, {"sha256", volume.sha256}, {"head_sha256", volume.head_sha256}});
  return {{"split", volumes.split}, {"size", volumes.volume_size}, {"files", std::move(list)}};
}

BundleFile read_file_entry(const Json& json, const std::string& what) {
  BundleFile file;
  file.path = get_string(json, "path", what);
  check_relative_path(file.path, what);
  file.size = get_u64(json, "size", what);
  if (file.size > kLargestFile) fail(what, file.path + " is larger than files can be");
  file.sha256 = get_sha256(json, "sha256", what);
  file.in = find_string(json, "in", what).value_or("");
  if (!file.in.empty()) check_id(file.in, what);
  return file;
}

/// The root digest proves the list of files.
void check_files(const BundleRelease& release, const std::string& what) {
  std::vector<std::string> paths;
  std::vector<ManifestFile> files;
  for (const BundleFile& file : release.files) {
    paths.push_back(file.path);
    files.push_back({.path = file.path, .size = file.size, .sha256 = file.sha256});
  }
  if (!std::ranges::is_sorted(paths)) fail(what, "the files are not in the order of their paths");
  check_listing(paths, what);
  if (root_digest_of(files) != release.root_digest)
    fail(what, "the root digest does not fit the files");
}

void check_record_name(const std::string& name, const std::string& what) {
  try {
    check_name(name, what);
  } catch (const Error& error) {
    fail(what, error.message());
  }
}

BundleRelease read_release(const Json& json, std::string_view record) {
  BundleRelease release;
  std::string what = fmt::format("{}: a release", record);
  release.name = get_string(json, "name", what);
  release.version = get_string(json, "version", what);
  check_record_name(release.name, what);
  check_record_name(release.version, what);
  what = fmt::format("{}: {}", record, release.reference());
  release.root_digest = get_string(json, "root_digest", what);
  const Json& manifest = get_object(json, "manifest", what);
  release.manifest_size = get_u64(manifest, "size", what);
  if (release.manifest_size > kLimits.bytes) fail(what, "its manifest is too large");
  release.manifest_sha256 = get_sha256(manifest, "sha256", what);
  for (const Json& item : get_array(json, "files", what))
    release.files.push_back(read_file_entry(item, what));
  check_files(release, what);
  return release;
}

EarlierBundle read_earlier(const Json& json, std::string_view what) {
  EarlierBundle earlier;
  earlier.id = get_string(json, "id", what);
  check_id(earlier.id, what);
  earlier.name = find_string(json, "name", what).value_or("");
  for (const Json& item : get_array(json, "releases", what)) {
    if (!item.is_string()) fail(what, "'releases' holds something other than texts");
    earlier.releases.push_back(item.get<std::string>());
  }
  return earlier;
}

BundleVolumes read_volumes(const Json& json, std::string_view what) {
  BundleVolumes volumes;
  volumes.split = find_bool(json, "split", what).value_or(false);
  volumes.volume_size = get_u64(json, "size", what);
  for (const Json& item : get_array(json, "files", what))
    volumes.list.push_back({.size = get_u64(item, "size", what),
                            .sha256 = get_sha256(item, "sha256", what),
                            .head_sha256 = get_sha256(item, "head_sha256", what)});
  const std::size_t count = volumes.list.size();
  if (count == 0 || count > kMostVolumes || (!volumes.split && count != 1))
    fail(what, fmt::format("it lists {} volumes", count));
  if (volumes.volume_size > kLargestFile * 1024) fail(what, "a volume is larger than files can be");
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t size = volumes.list[i].size;
    const bool last = i + 1 == count;
    if (last ? size == 0 || size > volumes.volume_size : size != volumes.volume_size)
      fail(what, fmt::format("volume {} has another size than it can have", i + 1));
  }
  return volumes;
}

/// Nothing twice, everything that is left out in a bundle that is named.
void check_record(const BundleRecord& record, std::string_view what) {
  std::set<std::string_view> earlier;
  for (const EarlierBundle& bundle : record.needs)
    if (!earlier.insert(bundle.id).second) fail(what, "an earlier bundle is named twice");
  std::set<std::string> references;
  std::size_t files = 0;
  for (const BundleRelease& release : record.releases) {
    if (!references.insert(release.reference()).second)
      fail(what, release.reference() + " is there twice");
    files += release.files.size();
    for (const BundleFile& file : release.files)
      if (!file.in.empty() && !earlier.contains(file.in))
        fail(what, fmt::format("{} is in a bundle that is not named", file.path));
  }
  if (record.releases.empty()) fail(what, "it holds no release");
  if (record.releases.size() > kMostReleases || files > kMostFiles)
    fail(what, "it holds too many releases or files");
  if (record.id != bundle_id(record.releases)) fail(what, "its id does not fit what it holds");
}

template <typename Count>
std::uint64_t sum(const BundleRecord& record, Count count) {
  std::uint64_t all = 0;
  for (const auto& release : record.releases)
    for (const auto& file : release.files) all += count(file);
  return all;
}

}  // namespace

bool BundleRelease::whole() const {
  return std::ranges::all_of(files, [](const BundleFile& file) { return file.in.empty(); });
}

std::uint64_t BundleRelease::bytes_here() const {
  std::uint64_t bytes = 0;
  for (const BundleFile& file : files)
    if (file.in.empty()) bytes += file.size;
  return bytes;
}

std::uint64_t BundleVolumes::total() const {
  std::uint64_t bytes = 0;
  for (const Volume& volume : list) bytes += volume.size;
  return bytes;
}

std::string BundleVolumes::suffix(std::size_t index) const {
  if (!split) return "";
  const std::size_t digits = std::max<std::size_t>(3, fmt::format("{}", list.size() - 1).size());
  return fmt::format(".{:0{}}", index, digits);
}

std::uint64_t BundleRecord::bytes_here() const {
  return sum(*this, [](const BundleFile& f) { return f.in.empty() ? f.size : 0; });
}
std::uint64_t BundleRecord::bytes_left_out() const {
  return sum(*this, [](const BundleFile& f) { return f.in.empty() ? 0 : f.size; });
}
std::size_t BundleRecord::files_here() const {
  return sum(*this, [](const BundleFile& f) { return f.in.empty() ? 1 : 0; });
}
std::size_t BundleRecord::files_left_out() const {
  return sum(*this, [](const BundleFile& f) { return f.in.empty() ? 0 : 1; });
}

std::string bundle_id(const std::vector<BundleRelease>& releases) {
  Json json = Json::array();
  for (const BundleRelease& release : releases) json.push_back(to_json(release));
  return "sha256:" + Sha256::hex_of(as_bytes(dump_json(json)));
}

std::string to_json_text(const BundleRecord& record) {
  Json releases = Json::array();
  for (const BundleRelease& release : record.releases) releases.push_back(to_json(release));
  Json needs = Json::array();
  for (const EarlierBundle& earlier : record.needs)
    needs.push_back({{"id", earlier.id}, {"name", earlier.name}, {"releases", earlier.releases}});
  Json json = {{"format", kFormat},
               {"format_version", kFormatVersion},
               {"id", record.id},
               {"store", record.store},
               {"created_by", record.created_by},
               {"releases", std::move(releases)},
               {"needs", std::move(needs)}};
  if (record.volumes) json["volumes"] = to_json(*record.volumes);
  return dump_json_pretty(json);
}

BundleRecord parse_bundle_record(std::string_view text, std::string_view what) {
  const Json json = parse_json(text, what, kLimits);
  if (!json.is_object() || find_string(json, "format", what).value_or("") != kFormat)
    fail(what, "this is no record of a bundle");
  const std::uint64_t version = get_u64(json, "format_version", what);
  if (version > kFormatVersion)
    throw Error(Code::unsupported, fmt::format("{}: format version {}, this dray reads up to {}",
                                               what, version, kFormatVersion))
        .hint("use the dray that made it, or a later one");
  BundleRecord record;
  record.id = get_string(json, "id", what);
  check_id(record.id, what);
  record.store = find_string(json, "store", what).value_or("");
  record.created_by = find_string(json, "created_by", what).value_or("");
  for (const Json& item : get_array(json, "releases", what))
    record.releases.push_back(read_release(item, what));
  for (const Json& item : get_array(json, "needs", what))
    record.needs.push_back(read_earlier(item, what));
  const auto volumes = json.find("volumes");
  if (volumes != json.end() && !volumes->is_null())
    record.volumes = read_volumes(get_object(json, "volumes", what), what);
  check_record(record, what);
  return record;
}

}  // namespace dray
