#include "dray/source/oci_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "dray/base/error.h"
#include "dray/model/tar_reader.h"
#include "dray/source/image_content.h"

namespace dray {

namespace {

bool is_plain(const OciSource::Layer& layer) {
  return !layer.compression || layer.compression == LayerCompression::none;
}

}  // namespace

Snapshot OciSource::snapshot(const std::stop_token& stop) {
  const ResolvedImage image =
      resolve_image(*options_.images, options_.reference, options_.architecture, stop);
  ImageFiles content = list_image(*options_.images, image.manifest, options_.retry, stop);
  layers_ = std::move(content.layers);
  Snapshot out;
  out.origin = {.kind = "oci",
                .uri = options_.uri,
                .revision = options_.reference,
                .commit = image.digest,
                .endpoint = ""};
  out.default_name = options_.default_name;
  out.info.license = [&] {
    const auto found = image.manifest.annotations.find("org.opencontainers.image.licenses");
    return found == image.manifest.annotations.end() ? "" : found->second;
  }();
  for (auto& file : content.files) {
    const bool anywhere = file.place.kept != nullptr ||
                          (is_plain(layers_[file.place.layer]) && file.entry.digests.any());
    in_order_ = in_order_ || !anywhere;
    places_.emplace(file.entry.path, std::move(file.place));
    out.files.push_back(std::move(file.entry));
  }
  return out;
}

void OciSource::read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
                     const std::stop_token& stop) {
  const Place& place = places_.at(file.path);
  if (place.kept != nullptr) {
    std::memcpy(out.data(), place.kept->data() + offset, out.size());
    return;
  }
  const Layer& layer = layers_[place.layer];
  if (is_plain(layer)) {
    try {
      options_.images->read_blob(layer.blob.digest, layer.blob.size, place.offset + offset, out,
                                 stop);
    } catch (const Error& error) {
      throw Error(error).from(Side::source);
    }
    return;
  }
  // What precedes it comes along: only for small files that are looked at before a transfer.
  LayerStream stream(*options_.images, layer.blob, *layer.compression, layer.diff_id,
                     options_.retry, stop);
  const std::uint64_t begin = place.offset + offset, end = begin + out.size();
  std::uint64_t at = 0;
  for (Bytes piece = stream.next(); !piece.empty() && at < end; piece = stream.next()) {
    const std::uint64_t from = std::max(begin, at),
                        to = std::min<std::uint64_t>(end, at + piece.size());
    if (from < to)
      std::memcpy(out.data() + (from - begin), piece.data() + (from - at),
                  static_cast<std::size_t>(to - from));
    at += piece.size();
  }
  if (at < end) throw Error(Code::malformed, "the layer ends early").on("read", file.path);
}

/// Goes through the layers that hold what is wanted, one after another. Files that share a place
/// (links) are given one in each pass over their layer.
class OciSource::Reader final : public OrderedReader {
 public:
  Reader(const OciSource& source, const std::vector<FileEntry>& files, const std::stop_token& stop)
      : source_(source), stop_(stop) {
    for (const auto& file : files) {
      const Place& place = source.places_.at(file.path);
      wanted_[place.layer][place.offset].push_back(file);
    }
  }

  const FileEntry* next() override {
    // What is left of the file before is passed over.
    while (left_ > 0) take(std::min<std::uint64_t>(left_, kNoLimit));
    while (!wanted_.empty()) {
      if (!stream_) open(wanted_.begin()->first);
      if (const FileEntry* file = next_in_layer()) return file;
    }
    return nullptr;
  }

  void read(MutableBytes out) override {
    if (out.size() > left_) throw Error(Code::internal, "more is read than the file has");
    while (!out.empty()) {
      const Bytes bytes = take(out.size());
      std::memcpy(out.data(), bytes.data(), bytes.size());
      out = out.subspan(bytes.size());
    }
  }

 private:
  static constexpr std::uint64_t kNoLimit = SIZE_MAX;

  void open(std::size_t index) {
    const Layer& layer = source_.layers_[index];
    stream_.emplace(*source_.options_.images, layer.blob,
                    layer.compression.value_or(LayerCompression::none), layer.diff_id,
                    source_.options_.retry, stop_);
    layer_ = index;
    at_ = 0;
    piece_ = {};
  }

  /// The next file of the layer in the order of its bytes; nullptr at its end, which is where it
  /// was proved.
  const FileEntry* next_in_layer() {
    auto& places = wanted_.at(layer_);
    const auto it = places.lower_bound(at_);
    if (it == places.end()) {
      while (!fill().empty()) pass(piece_.size());
      stream_.reset();
      if (places.empty()) wanted_.erase(layer_);
      return nullptr;
    }
    while (at_ < it->first) {
      if (fill().empty())
        throw Error(Code::malformed, "the layer ends early").on("read", source_.name());
      pass(static_cast<std::size_t>(std::min<std::uint64_t>(piece_.size(), it->first - at_)));
    }
    file_ = std::move(it->second.back());
    it->second.pop_back();
    if (it->second.empty()) places.erase(it);
    left_ = file_.size;
    return &file_;
  }

  Bytes take(std::uint64_t most) {
    if (fill().empty()) throw Error(Code::malformed, "the layer ends early").on("read", file_.path);
    const Bytes out = piece_.first(
        static_cast<std::size_t>(std::min({most, left_, std::uint64_t{piece_.size()}})));
    left_ -= out.size();
    pass(out.size());
    return out;
  }

  const Bytes& fill() {
    if (piece_.empty()) piece_ = stream_->next();
    return piece_;
  }

  void pass(std::size_t bytes) {
    piece_ = piece_.subspan(bytes);
    at_ += bytes;
  }

  const OciSource& source_;
  const std::stop_token stop_;
  // Layer → place → files there.
  std::map<std::size_t, std::map<std::uint64_t, std::vector<FileEntry>>> wanted_;
  std::optional<LayerStream> stream_;
  std::size_t layer_ = 0;
  std::uint64_t at_ = 0;  // in the layer's plain bytes: of the front of piece_
  Bytes piece_;
  FileEntry file_;
  std::uint64_t left_ = 0;  // of file_
};

std::unique_ptr<OrderedReader> OciSource::open_ordered(const std::vector<FileEntry>& files,
                                                       const std::stop_token& stop) {
  return std::make_unique<Reader>(*this, files, stop);
}

/// Raw files only: their own digest names the blob. Nobody vouches for what a layer of others
/// holds.
std::vector<BlobPlace> OciSource::blobs_of(const FileEntry& file) const {
  constexpr std::string_view kScheme = "oci://";
  const auto place = places_.find(file.path);
  if (place == places_.end() || !options_.uri.starts_with(kScheme)) return {};
  const Layer& layer = layers_[place->second.layer];
  if (layer.compression || layer.blob.digest != "sha256:" + file.digests.sha256) return {};
  return {{options_.uri.substr(kScheme.size()), layer.blob.digest, 0, 1}};
}

std::string OciSource::name() const { return options_.uri + ":" + options_.reference; }

}  // namespace dray
