#include "dray/release/shared_ranges.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/model/reference.h"
#include "dray/store/cuts.h"
#include "dray/store/layout.h"
#include "dray/transfer/digest_objects.h"
#include "dray/transfer/range_hasher.h"

namespace dray {

namespace {

constexpr int kMostRecords = 3;
constexpr std::size_t kMostText = 64 << 20;

bool is_safetensors(std::string_view path) { return path.ends_with(".safetensors"); }

std::optional<RangeRecord> find_record(Store& store, const Manifest& manifest,
                                       const std::stop_token& stop) {
  const std::string key = ranges_key(manifest.name, manifest.version);
  const auto text = store.state().get(key, stop);
  if (!text) return std::nullopt;
  try {
    RangeRecord record = parse_range_record(*text, key);
    if (record.name == manifest.name && record.version == manifest.version) return record;
    warn("{} is passed over: it is the record of another release", key);
  } catch (const Error& e) {
    if (e.code() != Code::malformed && e.code() != Code::unsupported) throw;
    warn("{} is passed over: {}", key, e.what());
  }
  return std::nullopt;
}

/// The same pieces as a RangeHasher finds while the file passes.
std::vector<std::uint64_t> pieces_of(Source& source, const FileEntry& file,
                                     const std::stop_token& stop) {
  if (!is_safetensors(file.path)) return piece_ends(file.size);
  try {
    const Buffer head = read_safetensors_head(source, file, stop, kLongestPieceHeader);
    return piece_ends(parse_safetensors_header(head, file.size, file.path), file.size);
  } catch (const Error& e) {
    if (e.code() != Code::malformed) throw;
    return piece_ends(file.size);  // not for us to judge
  }
}

/// Those that are there as they were.
std::shared_ptr<const StoredRanges> stored_ranges(Store& store,
                                                  const std::vector<SharedFile>& files,
                                                  const std::stop_token& stop) {
  auto out = std::make_shared<StoredRanges>();
  for (const SharedFile& file : files) {
    const auto there = store.stat(file.object.key, stop);
    if (there && there->etag == file.object.etag && there->size == file.object.size)
      out->add(*there, file.ranges.ranges);
  }
  return out;
}

/// nullopt also where the store refuses to be asked: all can be sent, and what stands against
/// writing at all is told by that.
std::optional<CutLimits> limits_of(Store& store, const StoredObject& from, std::uint64_t size,
                                   const std::stop_token& stop) {
  try {
    return store.range_copies(from, size, stop);
  } catch (const Error& e) {
    if (e.code() == Code::cancelled) throw;
    warn("nothing is copied inside the store: {}", e.what());
    return std::nullopt;
  }
}

ObjectPlan::Digests digests_for(std::string_view path) {
  return is_safetensors(path) ? ObjectPlan::Digests::tensors : ObjectPlan::Digests::pieces;
}

/// Those of the release's files whose successors are among `files`, and that no record tells of.
void add_unrecorded(std::vector<SharedFile>& out, const Manifest& release,
                    const std::vector<FileEntry>& files, std::string_view place) {
  const std::string prefix = release_prefix(release.name, release.version, place);
  for (const FileEntry& next : files) {
    const ManifestFile* file = release.find(next.path);
    if (file == nullptr || std::min(file->size, next.size) < kWorthSharing ||
        file->sha256 == next.digests.sha256)
      continue;
    if (std::any_of(out.begin(), out.end(),
                    [&](const SharedFile& f) { return f.ranges.path == file->path; }))
      continue;
    out.push_back({Reference{release.name, release.version, ""}.text(),
                   {prefix + file->path, file->size, file->etag, std::nullopt, {}},
                   {file->path, file->size, file->sha256, {}}});
  }
}

/// By reading the file where it lies.
std::vector<RangeDigest> digests_of(Store& store, const SharedFile& file,
                                    const TransferOptions& options, Progress& progress,
                                    const std::stop_token& stop) {
  const ObjectToRead object{.label = file.ranges.path,
                            .key = file.object.key,
                            .etag = file.object.etag,
                            .size = file.object.size,
                            .digests = digests_for(file.ranges.path)};
  auto found = std::move(digest_objects(store, {object}, options, progress, stop).front());
  if (found.sha256 != file.ranges.sha256)
    throw Error(Code::verification, "it is not what its manifest says")
        .on("read", file.object.key)
        .from(Side::destination);
  return std::move(found.ranges);
}

/// The unit that is the whole object, if ranges of it may be copied.
const FileEntry* worth_sharing(const TransferPlan& plan, const ObjectPlan& object) {
  if (!object.plain() || object.copy_from || object.spec.size < kWorthSharing) return nullptr;
  return &plan.units[std::get<SourceSegment>(object.segments[0]).unit];
}

}  // namespace

std::vector<SharedFile> shared_files(Store& store, const std::vector<Manifest>& versions,
                                     const std::vector<FileEntry>& files, std::string_view place,
                                     const std::stop_token& stop) {
  std::vector<SharedFile> out;
  int records = 0;
  for (auto it = versions.rbegin(); it != versions.rend() && records < kMostRecords; ++it) {
    auto record = find_record(store, *it, stop);
    if (!record) continue;
    ++records;
    const std::string prefix = release_prefix(it->name, it->version, place);
    for (FileRanges& ranges : record->files) {
      const ManifestFile* file = it->find(ranges.path);
      if (file == nullptr || file->size != ranges.size || file->sha256 != ranges.sha256) continue;
      out.push_back({Reference{it->name, it->version, ""}.text(),
                     {prefix + file->path, file->size, file->etag, std::nullopt, {}},
                     std::move(ranges)});
    }
  }
  if (!versions.empty()) add_unrecorded(out, versions.back(), files, place);
  return out;
}

std::vector<SharedFile> read_ranges(Store& store, std::vector<SharedFile> files,
                                    const TransferOptions& options, Progress& progress,
                                    const std::stop_token& stop) {
  std::uint64_t bytes = 0, count = 0;
  for (const SharedFile& file : files) {
    if (!file.ranges.ranges.empty()) continue;
    bytes += file.object.size;
    ++count;
  }
  if (count > 0) progress.begin("looking what earlier versions hold", bytes, count);
  std::vector<SharedFile> out;
  for (SharedFile& file : files) {
    if (file.ranges.ranges.empty()) {
      try {
        file.ranges.ranges = digests_of(store, file, options, progress, stop);
      } catch (const Error& e) {
        if (e.code() == Code::cancelled) throw;
        warn("nothing is copied from {}: {}", file.object.key, e.what());
        continue;
      }
    }
    out.push_back(std::move(file));
  }
  return out;
}

void share_ranges(TransferPlan& plan, Source& source, Store& store,
                  const std::vector<SharedFile>& files, const std::stop_token& stop) {
  const bool wanted = std::any_of(plan.objects.begin(), plan.objects.end(),
                                  [&](const auto& o) { return worth_sharing(plan, o) != nullptr; });
  if (files.empty() || !wanted || !source.random_access()) return;
  const auto stored = stored_ranges(store, files, stop);
  if (stored->largest() == nullptr) return;
  for (ObjectPlan& object : plan.objects) {
    const FileEntry* file = worth_sharing(plan, object);
    if (file == nullptr) continue;
    const auto limits = limits_of(store, *stored->largest(), file->size, stop);
    if (!limits) return;
    object.piece_ends = pieces_of(source, *file, stop);
    object.spec.part_ends = cut_at_pieces(object.piece_ends, *limits);
    if (!object.spec.part_ends.empty()) object.reusable = stored;
  }
}

void digest_ranges(ObjectPlan& object) {
  if (object.spec.size < kWorthSharing) return;
  object.digests = digests_for(object.label);
}

void save_range_record(Store& store, const Manifest& manifest,
                       const std::vector<ObjectResult>& objects,
                       const std::vector<SharedFile>& files, const std::stop_token& stop) {
  RangeRecord record{manifest.name, manifest.version, {}};
  for (const ManifestFile& file : manifest.files) {
    const auto object = std::find_if(objects.begin(), objects.end(), [&](const ObjectResult& o) {
      return !o.ranges.empty() && o.sha256 == file.sha256;
    });
    const auto copied = std::find_if(files.begin(), files.end(), [&](const SharedFile& f) {
      return f.ranges.sha256 == file.sha256;
    });
    if (object != objects.end())
      record.files.push_back({file.path, file.size, file.sha256, object->ranges});
    else if (copied != files.end())
      record.files.push_back({file.path, file.size, file.sha256, copied->ranges.ranges});
  }
  if (record.files.empty()) return;
  const std::string key = ranges_key(manifest.name, manifest.version);
  try {
    const std::string text = range_record_text(record);
    if (text.size() > kMostText)
      warn("{} would be too large: a later version will be sent whole", key);
    else
      store.state().put(key, text, stop);
  } catch (const Error& e) {
    if (e.code() == Code::cancelled) throw;
    warn("what a later version may share with this one could not be recorded: {}", e.what());
  }
}

}  // namespace dray
