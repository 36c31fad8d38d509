#include "dray/source/layer_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <utility>
#include <vector>

#include "dray/base/error.h"

namespace dray {

namespace {

constexpr std::uint64_t kPiece = 4 * kMiB;     // of the blob, in one request
constexpr std::size_t kPlainPiece = 1 * kMiB;  // inflated at a time

}  // namespace

std::optional<LayerCompression> tar_compression(std::string_view media_type) {
  if (media_type.ends_with("tar+gzip") || media_type.ends_with("tar.gzip"))
    return LayerCompression::gzip;
  if (media_type.ends_with("tar+zstd") || media_type.ends_with("tar.zstd"))
    return LayerCompression::zstd;
  if (media_type.ends_with(".tar")) return LayerCompression::none;
  return std::nullopt;
}

struct LayerStream::Impl {
  Impl(oci::Images& from, oci::Descriptor of, LayerCompression compressed, std::string plain_digest,
       http::RetryPolicy policy, std::stop_token token)
      : images(from),
        blob(std::move(of)),
        compression(compressed),
        diff_id(std::move(plain_digest)),
        retry(std::move(policy)),
        stop(std::move(token)),
        what(images.name() + "@" + blob.digest) {
    if (compression == LayerCompression::none) return;
    inflater = make_inflater(compression, what);
    plain.resize(kPlainPiece);
  }

  void fetch_ahead() {
    if (requested == blob.size) return;
    const ByteRange range{requested, std::min(kPiece, blob.size - requested)};
    requested = range.end();
    ahead = std::async(std::launch::async,
                       [this, range] { return oci::read_range(images, blob, range, retry, stop); });
  }

  /// The next bytes of the blob; false at its end, where it is proved.
  bool refill() {
    if (!ahead.valid()) fetch_ahead();
    if (!ahead.valid()) {
      prove("the blob", sha, blob.digest);
      return false;
    }
    piece = ahead.get();
    fetch_ahead();
    sha.update(piece);
    taken += piece.size();
    left = piece;
    return true;
  }

  void prove(const char* kind, const Sha256& found, const std::string& stated) const {
    if (!stated.starts_with("sha256:") || "sha256:" + found.hex() == stated) return;
    throw Error(Code::verification,
                fmt::format("SHA-256 of {} is {}, it states {}", kind, found.hex(), stated))
        .on("read", what)
        .from(Side::source)
        .hint("the registry or something on the way to it changes bytes");
  }

  Bytes next_plain() {
    if (compression == LayerCompression::none) return refill() ? left : Bytes();
    for (;;) {
      if (const std::size_t size = inflater->next(left, plain); size > 0) {
        plain_sha.update(Bytes(plain).first(size));
        return Bytes(plain).first(size);
      }
      // What follows the compressed data is part of the blob's digest and of nothing else.
      if (inflater->ended()) left = {};
      if (!left.empty()) continue;
      if (refill()) continue;
      if (!inflater->ended())
        throw Error(Code::malformed, "the compressed data is cut off").on("read", what);
      prove("what it holds", plain_sha, diff_id);
      return {};
    }
  }

  oci::Images& images;
  const oci::Descriptor blob;
  const LayerCompression compression;
  const std::string diff_id;
  const http::RetryPolicy retry;
  const std::stop_token stop;
  const std::string what;
  std::unique_ptr<Inflater> inflater;
  Buffer piece, plain;
  Bytes left;  // of `piece`, not inflated yet
  std::uint64_t requested = 0, taken = 0;
  Sha256 sha, plain_sha;
  bool over = false;
  std::future<Buffer> ahead;  // last: it uses the others
};

LayerStream::LayerStream(oci::Images& images, oci::Descriptor blob, LayerCompression compression,
                         std::string diff_id, http::RetryPolicy retry, std::stop_token stop)
    : impl_(std::make_unique<Impl>(images, std::move(blob), compression, std::move(diff_id),
                                   std::move(retry), std::move(stop))) {}

LayerStream::~LayerStream() = default;

Bytes LayerStream::next() {
  if (impl_->over) return {};
  const Bytes out = impl_->next_plain();
  impl_->over = out.empty();
  return out;
}

std::uint64_t LayerStream::taken() const { return impl_->taken; }

}  // namespace dray
