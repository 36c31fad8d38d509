// Digests of the pieces of a file, computed while it passes.
#pragma once

#include <cstdint>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "dray/model/range_digests.h"

namespace dray {

/// Longer headers are not read for their pieces: it would take too much memory.
inline constexpr std::uint64_t kLongestPieceHeader = 8 * kMiB;

/// Takes a file from its first byte to its last. Of a safetensors file the pieces are those of its
/// tensors, which it reads from the header when that passes; a damaged header is no error here.
class RangeHasher {
 public:
  RangeHasher(std::uint64_t size, bool safetensors);
  void feed(Bytes bytes);
  /// Of the pieces that are complete.
  const std::vector<RangeDigest>& digests() const { return done_; }

 private:
  Bytes read_header(Bytes bytes);
  void learn_pieces();
  void hash(Bytes bytes);

  const std::uint64_t size_;
  Buffer header_;                    // so far
  std::uint64_t header_bytes_ = 0;   // of which so many are needed next; 0 = the pieces are known
  std::vector<std::uint64_t> ends_;  // of the pieces
  std::size_t piece_ = 0;            // that is being hashed
  std::uint64_t begin_ = 0, at_ = 0;
  Sha256 sha_;
  std::vector<RangeDigest> done_;
};

}  // namespace dray
