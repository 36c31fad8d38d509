#include "dray/release/bundle_open.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/parallel.h"
#include "dray/release/verify.h"
#include "dray/store/bundle_layout.h"
#include "dray/store/bundle_store.h"
#include "dray/store/dir_files.h"
#include "dray/store/volume_store.h"

namespace dray {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostText = 64 * kMiB;
constexpr std::size_t kMostNamed = 20, kReaders = 4;
constexpr std::string_view kIndexEnd = ".json";

[[noreturn]] void refuse(const std::string& name, const std::vector<std::string>& problems,
                         const std::string& hint) {
  const std::size_t shown = std::min(problems.size(), kMostNamed);
  std::string all = fmt::format(
      "{}",
      fmt::join(problems.begin(), problems.begin() + static_cast<std::ptrdiff_t>(shown), "; "));
  if (shown < problems.size()) all += fmt::format("; and {} more", problems.size() - shown);
  throw Error(Code::verification, std::move(all)).on("check", name).from(Side::source).hint(hint);
}

[[noreturn]] void no_bundle(const fs::path& path, const std::string& why, const std::string& hint) {
  throw Error(Code::not_found, why).on("open", path.string()).from(Side::source).hint(hint);
}

bool is_file(const fs::path& path) {
  const auto info = dir::stat_path(path);
  return info && S_ISREG(info->st_mode);
}

/// Where a bundle lies that `path` names in one of several ways.
struct Found {
  enum class Form { folder, index, archive } form = Form::archive;
  fs::path path;  // the folder, or the volumes without their numbers
};

Found find(const fs::path& given) {
  const fs::path path = fs::absolute(given).lexically_normal();
  if (const auto info = dir::stat_path(path); info && S_ISDIR(info->st_mode))
    return {Found::Form::folder, path};
  std::string text = path.string();
  if (is_file(path) && text.ends_with(kIndexEnd))
    return {Found::Form::index, text.substr(0, text.size() - kIndexEnd.size())};
  if (is_file(index_path(path))) return {Found::Form::index, path};
  // One of the volumes: "models.tar.003".
  const std::size_t dot = text.find_last_of('.');
  const bool numbered = dot != std::string::npos && text.size() - dot > 3 &&
                        text.find_first_not_of("0123456789", dot + 1) == std::string::npos;
  if (numbered && is_file(index_path(text.substr(0, dot))))
    return {Found::Form::index, text.substr(0, dot)};
  if (numbered || is_file(path.string() + ".000"))
    no_bundle(index_path(numbered ? fs::path(text.substr(0, dot)) : path),
              "the index of the volumes is missing",
              "it is written last: without it the bundle is not finished, or not all of it was "
              "brought over");
  if (is_file(path)) return {Found::Form::archive, path};
  no_bundle(path, "there is no such bundle",
            "name the folder, the archive or the index (FILE.json) that `dray bundle create` made");
}

std::string read_index(const fs::path& path) {
  auto text = read_file(path);
  if (!text) no_bundle(path, "there is no such file", "name the record or index of a bundle");
  return std::move(*text);
}

BundleVolumes one_file(const fs::path& path) {
  const auto file = dir::open_regular(path);
  if (!file) no_bundle(path, "there is no such file", "name a bundle");
  const auto size = static_cast<std::uint64_t>(file->info.st_size);
  return {
      .split = false, .volume_size = std::max<std::uint64_t>(1, size), .list = {{size, "", ""}}};
}

BundleRecord read_record(const BundleTree& tree, const std::string& name) {
  const auto text = tree.text(std::string(kBundleRecordKey), kMostText);
  if (!text)
    no_bundle(name, fmt::format("{} is missing", kBundleRecordKey),
              "it is written last: this is no bundle, or it is not finished, or not all of it was "
              "brought over");
  return parse_bundle_record(*text, name);
}

void open_archive(OpenBundle& bundle, const Found& found, const std::stop_token& stop) {
  std::optional<BundleRecord> index;
  if (found.form == Found::Form::index) {
    const fs::path path = index_path(found.path);
    index = parse_bundle_record(read_index(path), path.string());
    if (!index->volumes)
      no_bundle(path, "this is the record of a bundle, not its index",
                "name the bundle itself; a record by itself is good for --since");
  }
  bundle.volumes = std::make_shared<BundleVolumeFiles>(
      found.path, index ? *index->volumes : one_file(found.path));
  if (const auto problems = bundle.volumes->problems(stop); !problems.empty())
    refuse(bundle.name, problems, "bring what is missing or damaged over again");
  bundle.tree = archive_tree(bundle.volumes, bundle.name, stop);
  bundle.record = read_record(*bundle.tree, bundle.name);
  if (!index) return;
  if (index->id != bundle.record.id)
    refuse(bundle.name, {"the index is of another bundle than the volumes"},
           "bring the index and the volumes of one bundle together");
  bundle.record.volumes = index->volumes;
}

/// The manifest that the record states, with the files that it states.
std::optional<Manifest> read_manifest(const OpenBundle& bundle, const BundleRelease& release,
                                      std::vector<std::string>& problems) {
  const std::string key = bundle_manifest_key(release);
  const auto text = bundle.tree->text(key, kMostText);
  if (!text) {
    problems.push_back(key + " is missing");
    return std::nullopt;
  }
  if (Sha256::hex_of(as_bytes(*text)) != release.manifest_sha256) {
    problems.push_back(key + " is not the manifest that the record states");
    return std::nullopt;
  }
  Manifest manifest = parse_manifest(*text, key);
  // The root digest is proved against the files on both sides.
  if (manifest.name != release.name || manifest.version != release.version ||
      manifest.root_digest != release.root_digest) {
    problems.push_back(key + " is of another release than the record states");
    return std::nullopt;
  }
  return manifest;
}

void check_files(const OpenBundle& bundle, std::vector<std::string>& problems) {
  std::vector<std::string> expected = {std::string(kBundleRecordKey)};
  for (const BundleRelease& release : bundle.record.releases) {
    expected.push_back(bundle_manifest_key(release));
    for (const BundleFile& file : release.files) {
      if (!file.in.empty()) continue;
      expected.push_back(bundle_prefix(release) + file.path);
      const auto size = bundle.tree->size_of(expected.back());
      if (!size)
        problems.push_back(expected.back() + " is missing");
      else if (*size != file.size)
        problems.push_back(
            fmt::format("{} has {} bytes, the record says {}", expected.back(), *size, file.size));
    }
  }
  for (const std::string& key : bundle.tree->strangers(expected))
    problems.push_back(key + " is in the archive, and the record does not name it");
}

}  // namespace

OpenBundle open_bundle(const fs::path& path, const std::stop_token& stop) {
  const Found found = find(path);
  OpenBundle bundle;
  bundle.name = path.string();
  if (found.form == Found::Form::folder) {
    bundle.tree = folder_tree(found.path);
    bundle.record = read_record(*bundle.tree, bundle.name);
  } else {
    open_archive(bundle, found, stop);
  }
  std::vector<std::string> problems;
  check_files(bundle, problems);
  for (const BundleRelease& release : bundle.record.releases)
    if (auto manifest = read_manifest(bundle, release, problems))
      bundle.manifests.push_back(std::move(*manifest));
  if (!problems.empty())
    refuse(bundle.name, problems, "the bundle is not as it was made; bring it over again");
  return bundle;
}

BundleRecord read_bundle_record(const fs::path& path, const std::stop_token& stop) {
  if (path.string().ends_with(kIndexEnd) && is_file(path))
    return parse_bundle_record(read_index(path), path.string());
  const Found found = find(path);
  if (found.form == Found::Form::folder)
    return read_record(*folder_tree(found.path), path.string());
  if (found.form == Found::Form::index)
    return parse_bundle_record(read_index(index_path(found.path)), path.string());
  const auto volumes = std::make_shared<BundleVolumeFiles>(found.path, one_file(found.path));
  return read_record(*archive_tree(volumes, path.string(), stop), path.string());
}

namespace {

std::vector<std::string> verify_volumes(const BundleVolumeFiles& volumes, Progress& progress,
                                        const std::stop_token& stop) {
  const std::size_t count = volumes.volumes().list.size();
  progress.begin("verifying", volumes.size(), count);
  std::vector<std::string> damage(count);
  parallel_for(count, kReaders, stop, [&](std::size_t i, const std::stop_token& token) {
    damage[i] = volumes.damage(i, token);
    progress.fetched(volumes.volumes().list[i].size);
    progress.file_done(volumes.name(i), volumes.volumes().list[i].size);
  });
  std::erase(damage, "");
  return damage;
}

/// The manifest without the files that are elsewhere.
Manifest only_here(const Manifest& manifest, const BundleRelease& release) {
  Manifest here = manifest;
  here.files.clear();
  for (const BundleFile& file : release.files)
    if (file.in.empty()) here.files.push_back(*manifest.find(file.path));
  return here;
}

}  // namespace

std::vector<std::string> verify_bundle(const OpenBundle& bundle, const TransferOptions& options,
                                       Progress& progress, const std::stop_token& stop) {
  if (bundle.volumes && !bundle.volumes->volumes().list.front().sha256.empty())
    return verify_volumes(*bundle.volumes, progress, stop);
  std::vector<std::string> problems;
  BundleStore store(bundle.name, bundle.record, bundle.tree);
  for (std::size_t i = 0; i < bundle.manifests.size(); ++i) {
    const BundleRelease& release = bundle.record.releases[i];
    const VerifyResult result = verify_release(store, only_here(bundle.manifests[i], release),
                                               kDefaultTemplate, false, options, progress, stop);
    for (const FileProblem& problem : result.problems)
      problems.push_back(
          fmt::format("{}{}: {}", bundle_prefix(release), problem.path, problem.what));
  }
  return problems;
}

std::vector<std::string> damaged_volumes(const OpenBundle& bundle, const std::string& key,
                                         const std::stop_token& stop) {
  std::vector<std::string> found;
  const auto place = bundle.tree->place(key);
  if (!place || !bundle.volumes || bundle.volumes->volumes().list.front().sha256.empty())
    return found;
  const auto [first, last] = bundle.volumes->holding(*place);
  for (std::size_t i = first; i <= last; ++i)
    if (std::string damage = bundle.volumes->damage(i, stop); !damage.empty())
      found.push_back(std::move(damage));
  return found;
}

}  // namespace dray
