#include "dray/store/stored_source.h"

#include <fmt/format.h>

#include <utility>

#include "dray/base/error.h"

namespace dray {

StoredSource::StoredSource(Store& store, Manifest manifest, std::string_view place)
    : store_(store),
      manifest_(std::move(manifest)),
      prefix_(release_prefix(manifest_.name, manifest_.version, place)) {}

Snapshot StoredSource::snapshot(const std::stop_token&) {
  Snapshot out;
  out.origin = {.kind = "release",
                .uri = store_.serving_uri(prefix_),
                .revision = manifest_.version,
                .commit = manifest_.root_digest};
  out.default_name = manifest_.name;
  out.info = manifest_.info;
  for (const auto& file : manifest_.files)
    out.files.push_back({file.path, file.size, {.sha256 = file.sha256, .git_sha1 = file.git_sha1}});
  return out;
}

std::string StoredSource::name() const {
  return fmt::format("{}:{} in {}", manifest_.name, manifest_.version, store_.properties().uri);
}

StoredSource::Pin StoredSource::pin_of(const FileEntry& file) {
  const std::lock_guard lock(mutex_);
  const auto found = pins_.find(file.path);
  if (found != pins_.end()) return found->second;
  const ManifestFile* known = manifest_.find(file.path);
  return pins_[file.path] = {known != nullptr ? known->etag : "", false};
}

std::string StoredSource::pin_again(const FileEntry& file, const std::string& refused,
                                    const std::stop_token& stop) {
  const std::string key = key_of(file);
  const auto there = store_.stat(key, stop);
  if (!there) throw Error(Code::not_found, "the object is gone").on("read", key);
  if (there->size != file.size)
    throw Error(Code::verification, fmt::format("the object has {} bytes, the manifest says {}",
                                                there->size, file.size))
        .on("read", key);
  const std::lock_guard lock(mutex_);
  Pin& pin = pins_[file.path];
  if (pin.etag == refused) {  // else another thread was here first
    if (pin.used)
      throw Error(Code::verification, "the object was changed while it was read").on("read", key);
    pin.etag = there->etag;
  }
  return pin.etag;
}

void StoredSource::read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
                        const std::stop_token& stop) {
  try {
    Pin pin = pin_of(file);
    try {
      store_.read(key_of(file), pin.etag, offset, out, stop);
    } catch (const Error& e) {
      if (e.code() != Code::precondition) throw;
      pin = {pin_again(file, pin.etag, stop), false};
      store_.read(key_of(file), pin.etag, offset, out, stop);
    }
    if (pin.used) return;
    const std::lock_guard lock(mutex_);
    Pin& shared = pins_[file.path];
    if (shared.etag == pin.etag) shared.used = true;
  } catch (const Error& e) {
    if (e.code() == Code::precondition)
      throw Error(Code::verification, "the object was changed while it was read")
          .on("read", key_of(file))
          .from(Side::source);
    throw Error(e).from(Side::source);
  }
}

}  // namespace dray
