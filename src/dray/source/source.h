// The read side of a transfer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/model/selection.h"
#include "dray/model/snapshot.h"

namespace dray {

/// Bytes that can only be had in order, one member after another, in one pass (a compressed layer).
/// Used by one thread.
class OrderedReader {
 public:
  virtual ~OrderedReader() = default;
  /// Next member, or nullptr at the end, which is where the whole is proved against its digest: a
  /// mismatch throws Code::verification there, so nothing may be published before it returned
  /// nullptr.
  virtual const FileEntry* next() = 0;
  /// Fills `out` with the member's next bytes; throws when the member ends early.
  virtual void read(MutableBytes out) = 0;
};

/// A blob of a registry of images in which a file lies.
struct BlobPlace {
  std::string repository;    // "host/name"
  std::string digest;        // of the blob
  std::uint64_t offset = 0;  // of the file's first byte
  std::size_t files = 1;     // of the source that lie in it
};

/// Thread-safe. Constructors do no I/O.
class Source {
 public:
  virtual ~Source() = default;
  /// Metadata only, pinned to one commit; every later read is of that commit. Call once, first.
  virtual Snapshot snapshot(const std::stop_token& stop) = 0;
  /// Fills `out` with exactly the bytes from `offset` on. One try: no retries inside except finding
  /// a signed URL again. Errors carry Side::source and whether another try may help. A source that
  /// changed is Code::verification or Code::conflict, permanent.
  virtual void read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
                    const std::stop_token& stop) = 0;
  /// False: read() works, but each call costs the whole file up to the range (a mirror that ignores
  /// Range); the engine then reads each file once, in order, by `open_ordered`.
  virtual bool random_access() const { return true; }
  /// One pass over exactly `files`, in an order of the reader's choice. Only where random_access()
  /// is false.
  virtual std::unique_ptr<OrderedReader> open_ordered(const std::vector<FileEntry>& files,
                                                      const std::stop_token& stop);
  /// Where a registry of images holds the file, after snapshot(): blobs whose content dray or the
  /// file's own digest vouches for, so that another repository of the registry can have them
  /// without a byte moved. None for other sources.
  virtual std::vector<BlobPlace> blobs_of(const FileEntry&) const { return {}; }
  /// For progress and errors: "hf://org/name".
  virtual std::string name() const = 0;
};

/// Most that is read of a model's configuration or index.
inline constexpr std::uint64_t kSmallFile = 32 * kMiB;

/// The whole content of a small file, read with retries; Code::malformed above `limit` bytes.
std::string read_small(Source& source, const FileEntry& file, std::uint64_t limit,
                       const std::stop_token& stop);

/// The head of a safetensors file, length and JSON and nothing else: what
/// parse_safetensors_header() takes. Read with retries, and not proved. Code::malformed for one of
/// more than `most` bytes.
Buffer read_safetensors_head(Source& source, const FileEntry& file, const std::stop_token& stop,
                             std::uint64_t most = 128 * kMiB);
/// How many heads of a model's files are read at once.
inline constexpr std::size_t kHeadReaders = 8;

}  // namespace dray
