#include "dray/oci/images.h"

namespace dray::oci {

Buffer read_range(Images& images, const Descriptor& blob, ByteRange range,
                  const http::RetryPolicy& retry, const std::stop_token& stop) {
  Buffer out(static_cast<std::size_t>(range.length));
  http::Retrier retrier(retry);
  for (;;) {
    try {
      images.read_blob(blob.digest, blob.size, range.offset, out, stop);
      return out;
    } catch (const Error& error) {
      retrier.failed(error, stop);
    }
  }
}

}  // namespace dray::oci
