#include "dray/store/store_sources.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "dray/base/error.h"
#include "dray/source/listing.h"
#include "dray/store/catalog.h"
#include "dray/store/stored_source.h"

namespace dray {

namespace {

constexpr std::uint64_t kLongestReadme = 1 << 20;

class PrefixSource : public Source {
 public:
  explicit PrefixSource(std::shared_ptr<Store> store) : store_(std::move(store)) {}

  Snapshot snapshot(const std::stop_token& stop) override {
    Snapshot out;
    for (const Listed& object : list(stop)) {
      if (object.key.starts_with(kStateRoot)) refuse_records(object.key);
      // What consoles make to show a folder.
      if ((object.key.empty() || object.key.ends_with('/')) && object.size == 0) continue;
      out.files.push_back({.path = object.key, .size = object.size});
      etags_[object.key] = object.etag;
    }
    if (out.files.empty())
      throw Error(Code::not_found, "nothing lies there")
          .on("list", name())
          .from(Side::source)
          .hint("write the folder that holds the model's files: s3://BUCKET/PREFIX/");
    check_and_sort(out.files, name());
    out.origin = {.kind = store_->properties().kind, .uri = name()};
    const std::string& uri = store_->properties().uri;
    out.default_name = uri.substr(uri.find_last_of('/') + 1);
    out.info = info_of_readme([&](const std::string& path) -> std::optional<std::string> {
      const FileEntry* file = out.find(path);
      if (file == nullptr) return std::nullopt;
      return read_small(*this, {path, std::min(file->size, kLongestReadme), {}}, kLongestReadme,
                        stop);
    });
    return out;
  }

  void read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
            const std::stop_token& stop) override {
    try {
      store_->read(file.path, etags_.at(file.path), offset, out, stop);
    } catch (const Error& e) {
      if (e.code() != Code::precondition) throw Error(e).from(Side::source);
      throw Error(Code::verification, "the object was changed after it was listed")
          .on("read", name() + file.path)
          .from(Side::source)
          .hint("run again when nothing writes to it");
    }
    check_no_pointer(file, offset, out, name());
  }

  std::string name() const override { return store_->properties().uri + "/"; }

 private:
  std::vector<Listed> list(const std::stop_token& stop) {
    try {
      return store_->list("", stop);
    } catch (const Error& e) {
      throw Error(e).from(Side::source);
    }
  }

  [[noreturn]] void refuse_records(const std::string& key) const {
    const bool releases = key.starts_with(".dray/releases/");
    throw Error(Code::usage, releases ? "this is a store of releases, not a model"
                                      : "a transfer of dray is under way there")
        .on("import", name())
        .from(Side::source)
        .hint(releases ? fmt::format("name one of them: dray import NAME --from {}; `dray list "
                                     "--store {}` shows which there are",
                                     store_->properties().uri, store_->properties().uri)
                       : "wait until it is done, or write the folder of one model");
  }

  const std::shared_ptr<Store> store_;
  std::map<std::string, std::string, std::less<>> etags_;  // set by snapshot()
};

}  // namespace

ReleaseSource::ReleaseSource(std::shared_ptr<Store> store, Reference reference,
                             std::string_view place, Otherwise otherwise)
    : ReleaseSource(
          store, fmt::format("{} in {}", reference.text(), store->properties().uri),
          [reference, exact = otherwise != nullptr](
              Store& in, const std::stop_token& stop) -> std::optional<Manifest> {
            if (exact) return find_manifest(in, reference.name, reference.version, stop);
            return resolve_release(in, reference, stop);
          },
          place, otherwise) {}  // not moved: whether there is one is asked above, maybe later

ReleaseSource::ReleaseSource(std::shared_ptr<Store> store, std::string name, Look look,
                             std::string_view place, Otherwise otherwise)
    : store_(std::move(store)),
      sought_(std::move(name)),
      look_(std::move(look)),
      place_(place),
      otherwise_(std::move(otherwise)) {}

std::string ReleaseSource::name() const { return found_ ? found_->name() : sought_; }

std::unique_ptr<Source> ReleaseSource::find(const std::stop_token& stop) {
  try {
    manifest_ = look_(*store_, stop);
  } catch (const Error& e) {
    throw Error(e).from(Side::source);
  }
  if (!manifest_) return otherwise_();
  return std::make_unique<StoredSource>(*store_, *manifest_, place_);
}

namespace {

/// By path: the blobs that hold each file, as it is and within layers.
std::map<std::string, std::vector<BlobPlace>, std::less<>> blob_places(
    const Manifest& release, const std::string& repository) {
  std::map<std::string, std::size_t> files;  // how many lie in each blob
  for (const auto& file : release.files) ++files[file.blob.empty() ? file.etag : file.blob];
  std::map<std::string, std::vector<BlobPlace>, std::less<>> out;
  for (const auto& file : release.files) {
    const std::string& digest = file.blob.empty() ? file.etag : file.blob;
    // Of equal files each is all of the blob.
    const std::size_t in_it = file.blob.empty() ? 1 : files[digest];
    out[file.path].push_back({repository, digest, file.blob_offset, in_it});
  }
  for (const auto& layer : release.layers)
    for (const auto& place : layer.files)
      out[place.path].push_back({repository, layer.digest, place.offset, layer.files.size()});
  return out;
}

}  // namespace

std::vector<BlobPlace> ReleaseSource::blobs_of(const FileEntry& file) const {
  if (!manifest_) return found_ ? found_->blobs_of(file) : std::vector<BlobPlace>();
  const auto found = blobs_.find(file.path);
  return found == blobs_.end() ? std::vector<BlobPlace>() : found->second;
}

Snapshot ReleaseSource::snapshot(const std::stop_token& stop) {
  found_ = find(stop);
  const StoreProperties& store = store_->properties();
  if (manifest_ && store.blobs)
    blobs_ = blob_places(*manifest_, store.uri.substr(store.uri.find("://") + 3));
  Snapshot out = found_->snapshot(stop);
  if (manifest_) out.origin = manifest_->origin;
  return out;
}

std::unique_ptr<Source> prefix_source(std::shared_ptr<Store> store) {
  return std::make_unique<PrefixSource>(std::move(store));
}

}  // namespace dray
