// Where images can be read.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "dray/base/bytes.h"
#include "dray/http/retry.h"
#include "dray/oci/image.h"

namespace dray::oci {

/// A manifest or index as it lies there, byte by byte.
struct ManifestText {
  std::string media_type, digest, text;
};

/// A repository of a registry, or a folder in the OCI image layout. Thread-safe.
class Images {
 public:
  virtual ~Images() = default;
  /// "oci://host/repository", "oci:/folder": for messages.
  virtual std::string name() const = 0;
  /// By tag or digest; nullopt if there is none. Checked against its digest.
  virtual std::optional<ManifestText> manifest(const std::string& reference,
                                               const std::stop_token& stop) = 0;
  /// Fills `out` from `offset` on, of a blob of `size` bytes. One try; not verified.
  /// Code::unsupported where blobs can be read from their beginning only.
  virtual void read_blob(const std::string& digest, std::uint64_t size, std::uint64_t offset,
                         MutableBytes out, const std::stop_token& stop) = 0;
  /// All of a small blob, verified, with retries; Code::malformed above `limit` bytes.
  virtual std::string small_blob(const Descriptor& blob, std::uint64_t limit,
                                 const std::stop_token& stop) = 0;
};

/// A range of a blob as Images::read_blob gives it, tried again while that may help.
Buffer read_range(Images& images, const Descriptor& blob, ByteRange range,
                  const http::RetryPolicy& retry, const std::stop_token& stop);

}  // namespace dray::oci
