// A layer of an image, in order and uncompressed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "dray/http/retry.h"
#include "dray/oci/images.h"

namespace dray {

enum class LayerCompression { none, gzip, zstd };

/// By the layer's media type: "…+gzip", "….gzip", "…+zstd". nullopt for what is no tar archive.
std::optional<LayerCompression> tar_compression(std::string_view media_type);

/// Takes compressed bytes, gives plain ones. For one thread at a time.
class Inflater {
 public:
  virtual ~Inflater() = default;
  /// Takes from the front of `input` and fills the beginning of `out`; returns how much it filled,
  /// 0 when it needs more input or is at the end. Code::malformed for what is not in the format.
  virtual std::size_t next(Bytes& input, MutableBytes out) = 0;
  /// The compressed data is complete.
  virtual bool ended() const = 0;
};
std::unique_ptr<Inflater> make_inflater(LayerCompression compression, const std::string& what);

/// Reads a blob in pieces, one ahead of what is used, each tried again when it fails. Proves the
/// blob's digest, and that of what it holds, when the last byte has been given. For one thread.
class LayerStream {
 public:
  /// `diff_id`: digest of the plain bytes, "" where it is not known.
  LayerStream(oci::Images& images, oci::Descriptor blob, LayerCompression compression,
              std::string diff_id, http::RetryPolicy retry, std::stop_token stop);
  ~LayerStream();
  LayerStream(const LayerStream&) = delete;
  LayerStream& operator=(const LayerStream&) = delete;

  /// The next plain bytes, valid until the next call; empty at the end. Code::verification where
  /// a digest does not fit.
  Bytes next();
  /// Bytes of the blob used so far.
  std::uint64_t taken() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dray
