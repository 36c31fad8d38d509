// A model in an image or artifact of a registry, or of a folder in the OCI image layout.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dray/http/retry.h"
#include "dray/oci/images.h"
#include "dray/source/layer_stream.h"
#include "dray/source/source.h"

namespace dray {

struct OciSourceOptions {
  std::shared_ptr<oci::Images> images;
  std::string uri;           // "oci://host/repository", for the origin
  std::string reference;     // tag or digest within `images`
  std::string default_name;  // of the model
  std::string architecture;  // of an index; "" = this machine's
  http::RetryPolicy retry;   // of reads outside of the engine
};

/// Understands modelcar images (files below `models/`; plain, gzip and zstd layers, whiteouts,
/// links), CNCF ModelPack artifacts, KitOps ModelKits and Docker's model artifacts.
///
/// Files of uncompressed layers whose digest the image states (OLOT's annotations, raw layers) are
/// read at any place, several ranges at once. Of other uncompressed layers the layer's digest is
/// what is proved: they are read once, in order. Compressed ones are read twice: before, to find
/// out what they hold, and to take it.
class OciSource final : public Source {
 public:
  explicit OciSource(OciSourceOptions options) : options_(std::move(options)) {}

  Snapshot snapshot(const std::stop_token& stop) override;
  void read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
            const std::stop_token& stop) override;
  bool random_access() const override { return !in_order_; }
  std::unique_ptr<OrderedReader> open_ordered(const std::vector<FileEntry>& files,
                                              const std::stop_token& stop) override;
  std::vector<BlobPlace> blobs_of(const FileEntry& file) const override;
  std::string name() const override;

  /// A blob that files lie in.
  struct Layer {
    oci::Descriptor blob;
    std::optional<LayerCompression> compression;  // nullopt: the blob is the file itself
    std::string diff_id;                          // of its plain bytes, "" where not stated
  };
  /// Where a file's bytes lie.
  struct Place {
    std::size_t layer = 0;
    std::uint64_t offset = 0;                 // in the layer's plain bytes
    std::shared_ptr<const std::string> kept;  // the content itself, where it was small
  };

 private:
  class Reader;
  friend class ImageContent;

  const OciSourceOptions options_;
  std::vector<Layer> layers_;            // this and the rest are set by snapshot()
  std::map<std::string, Place> places_;  // by path
  bool in_order_ = false;
};

}  // namespace dray
