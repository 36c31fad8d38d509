// The write side of a transfer: objects in a place where releases are kept.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/store/state.h"

namespace dray {

struct Manifest;

/// How an object is cut into parts: evenly, which is a function of its size and the store only, so
/// that a later run agrees; or as ObjectSpec::part_ends says.
struct PartLayout {
  std::uint64_t object_size = 0;
  std::uint64_t part_size = 0;           // a multiple of 8 MiB; > 0. Of uneven parts: the largest
  bool in_order = false;                 // parts must be put ascending, one at a time
  std::vector<std::uint64_t> ends = {};  // of uneven parts, ascending; empty = cut evenly
  std::uint64_t count() const {
    if (!ends.empty()) return ends.size();
    return object_size == 0 ? 1 : (object_size + part_size - 1) / part_size;
  }
  ByteRange part(std::uint64_t index) const;           // index from 0
  std::uint64_t index_of(std::uint64_t offset) const;  // of the part that holds this byte
  /// Tells uneven cuts apart; 0 = even.
  std::uint64_t cut() const;
};

struct ObjectSpec {
  std::string key;  // below the store's root: "model-data/name/1.0.0/model.safetensors"
  std::uint64_t size = 0;
  std::string sha256;  // where known beforehand, else ""
  std::string content_type = "application/octet-stream";
  std::vector<std::pair<std::string, std::string>>
      metadata;  // names lower-case, values printable ASCII
  /// Where its parts end, for Upload::put_copy; empty = cut evenly. Within the limits that
  /// Store::range_copies gave: cut_at_pieces() (cuts.h) makes such.
  std::vector<std::uint64_t> part_ends = {};
  /// Its parts are made in memory of their own, so that two small ones serve better than a large
  /// one: kSmallPart, where the store's are larger and there are not too many then.
  bool small_parts = false;
};

inline constexpr std::uint64_t kSmallPart = 16 * kMiB;

/// `even`, or as the object wants to be cut; Code::internal where its parts do not make it up.
PartLayout layout_for(const ObjectSpec& spec, PartLayout even);

/// A range of an object that the store holds, pinned by its ETag.
struct StoredRange {
  std::string key, etag;
  ByteRange range;
  bool operator==(const StoredRange&) const = default;
};

/// How parts of an object may be cut that is made partly of what the store holds.
struct CutLimits {
  std::uint64_t min_part = 0;  // of all but the last
  std::uint64_t max_put = 0;   // of a part whose bytes are put
  std::uint64_t max_copy = 0;  // of a part that is copied
  std::uint64_t max_count = 0;
};

/// One finished part. `crc64` is CRC64NVME of its bytes; `etag` is what the store answered ("" if
/// it has none).
struct PutPart {
  std::uint64_t index = 0;
  std::uint64_t size = 0;
  std::uint64_t crc64 = 0;
  std::string etag;
};

/// What a later process needs to take up an unfinished upload.
struct SavedUpload {
  std::string id;  // the store's upload id, or a temporary name
  std::uint64_t part_size = 0;
  std::vector<PutPart> parts;  // acknowledged and hashed by the transfer that saved this
  std::uint64_t cut = 0;       // PartLayout::cut(); an upload that is cut otherwise is not taken up
};

/// An object as the store holds it.
struct StoredObject {
  std::string key;
  std::uint64_t size = 0;
  std::string etag;
  std::optional<std::uint64_t> crc64;  // full-object CRC64NVME where the store states it
  std::vector<std::pair<std::string, std::string>> metadata;  // filled by stat()
  std::string meta(std::string_view name) const;              // "" if absent
};

/// put() of an in-order store: bytes before `offset` are safe, those from it on must be put again.
class Rewind : public std::exception {
 public:
  explicit Rewind(std::uint64_t from) : offset(from) {}
  const char* what() const noexcept override { return "the store asks for bytes again"; }
  std::uint64_t offset;
};

/// One object being made of parts. put() may be called from several threads unless
/// layout().in_order; the rest by one. Nothing is visible under the key before commit(); the
/// destructor abandons nothing by itself: an upload left alone can be taken up later from saved().
class Upload {
 public:
  virtual ~Upload() = default;
  virtual PartLayout layout() const = 0;
  /// Opaque id to save for `SavedUpload`.
  virtual std::string id() const = 0;
  /// Parts of the saved upload that the store still holds unchanged (proved by size and ETag or
  /// checksum).
  virtual std::vector<PutPart> present(const std::stop_token& stop) = 0;
  /// Sends one part, borrowing `bytes` until it returns; the same index again replaces it. One try.
  /// May throw Rewind in an in-order store.
  virtual PutPart put(std::uint64_t index, Bytes bytes, std::uint64_t crc64,
                      const std::stop_token& stop) = 0;
  /// Makes a part of bytes that the store holds, moving none through this process. The caller knows
  /// their CRC64; where it has the bytes themselves (else empty) the store can prove the copy with
  /// less. nullopt if it cannot be had so, also because the source has changed: then put() them.
  /// One try. Only where the upload was begun with part_ends, after Store::range_copies.
  virtual std::optional<PutPart> put_copy(std::uint64_t index, const StoredRange& from, Bytes bytes,
                                          std::uint64_t crc64, const std::stop_token& stop);
  /// Makes the object from exactly these parts, in order, and proves it (size, checksums). An
  /// object already there with the same content is success; other content is Code::conflict.
  /// Settles lost replies by reading back.
  virtual StoredObject commit(const std::vector<PutPart>& parts, const std::string& sha256,
                              const std::stop_token& stop) = 0;
  /// Brings what was sent into a state that a later process can take up, where something is under
  /// way that a cut would undo; called before id() is saved for good, when nothing is put any more.
  /// No bytes are sent. Gives up when `stop` is requested. Nothing can be put after it.
  virtual void pause(const std::stop_token& stop);
  /// Removes what was sent. Idempotent; failures are logged (gc finds the rest).
  virtual void abandon() noexcept = 0;
};

struct Listed {
  std::string key;
  std::uint64_t size = 0;
  std::string etag;
};

struct UnfinishedUpload {
  std::string key;
  std::string id;
};

/// A file that becomes part of a release.
struct FileToStore {
  std::string path;
  std::uint64_t size = 0;
  std::string sha256;  // where known beforehand, else ""
  /// Which objects can be made of it at once.
  enum class Fits {
    anywhere,  // any
    alone,     // such as have no other file in them: it is made on the way
    whole,     // such as are the file: its source gives bytes only in order
  } fits = Fits::anywhere;
};

/// All of another object of the release, of a lower rank: its index.
struct WholeObject {
  std::size_t object = 0;
};

/// One object of a release and the files that it is made of.
struct PackedObject {
  /// Bytes that are known, all of a file (its index in what was packed), or another object.
  using Piece = std::variant<std::shared_ptr<const Buffer>, std::size_t, WholeObject>;
  struct Place {
    std::size_t file = 0;
    std::uint64_t offset = 0;  // in the object
  };
  ObjectSpec spec;
  std::string label;
  std::vector<Piece> pieces;  // in order, without gaps
  std::vector<Place> files;   // in order
  int rank = 0;               // visible only after all of lower ranks
  enum class Role {
    files,  // holds the files; each lies in one such object
    again,  // a second form of files that others hold
    help,   // only others are made of it, and nothing names it afterwards
  } role = Role::files;
  /// The file is the object.
  bool is_file() const { return pieces.size() == 1 && pieces.front().index() == 1; }
};

/// The object that is file `index` and nothing else, under its path below `prefix`.
PackedObject file_object(const std::string& prefix, const std::vector<FileToStore>& files,
                         std::size_t index);

/// Declared, not probed by callers.
struct StoreProperties {
  std::string uri;           // "s3://bucket/prefix", "dir:/path", "oci://host/repository"; no
                             // trailing slash
  std::string kind;          // "s3", "dir", "oci"
  bool local_disk = false;   // bytes written here are on this machine's disk
  bool server_copy = false;  // copy() moves no bytes through this process
  /// Objects are blobs, named by their digests (which are their ETags) and nothing else: list()
  /// shows the files of published releases only, stat() and read() take digests too.
  bool blobs = false;
};

/// A place for releases; thread-safe. Constructors do no I/O.
class Store {
 public:
  virtual ~Store() = default;
  virtual const StoreProperties& properties() const = 0;
  /// Before the first model byte: credentials, existence, permission to write, and what the
  /// endpoint proves to honour. Throws auth, not_found, storage … with the next step as hint.
  virtual void preflight(const std::stop_token& stop) = 0;
  /// Small objects beside the data: manifests, aliases, journals (keys below ".dray/").
  virtual StateStore& state() = 0;

  /// The objects that a release's files become, below `prefix`; weights first, largest first, index
  /// and config last. By default each file is one object.
  virtual std::vector<PackedObject> pack(const std::string& prefix,
                                         const std::vector<FileToStore>& files) const;
  /// All objects of the release are there; those of Role::again are the manifest's layers.
  /// Completes `manifest` by what the store makes around them
  /// and checks that nothing is missing; after it the manifest may be published.
  virtual void seal(Manifest& manifest, const std::stop_token& stop);

  virtual PartLayout layout(std::uint64_t object_size) const = 0;
  /// Begins an upload, or takes up `saved` (of this transfer only) if it still exists; if it does
  /// not, begins anew and nothing is present(). Objects of one part go through create().
  virtual std::unique_ptr<Upload> begin(const ObjectSpec& spec, const SavedUpload* saved,
                                        const std::stop_token& stop) = 0;
  /// Makes an object of at most one part (also an empty one) in a single atomic step from verified
  /// bytes. Existing content: as Upload::commit. One try, safe to repeat.
  virtual StoredObject create(const ObjectSpec& spec, Bytes bytes, const std::string& sha256,
                              const std::stop_token& stop) = 0;
  /// Copies a stored object to a new key inside the store, the source pinned by `from.etag` and
  /// checked before and after; nullopt if the store cannot do it for this object, also because it
  /// is no longer there or has changed: then the bytes must come from elsewhere. The caller knows
  /// that the content is the same. Existing content at the new key: as Upload::commit.
  virtual std::optional<StoredObject> copy(const StoredObject& from, const ObjectSpec& spec,
                                           const std::stop_token& stop) = 0;

  /// Whether parts of an object of so many bytes may be ranges of `from`, and how it is to be cut
  /// then; nullopt if not. Asks an S3 endpoint once, by copying the beginning of `from` to a
  /// throw-away key.
  virtual std::optional<CutLimits> range_copies(const StoredObject& from, std::uint64_t object_size,
                                                const std::stop_token& stop);

  virtual std::optional<StoredObject> stat(const std::string& key, const std::stop_token& stop) = 0;
  /// All objects whose key begins with `prefix`, sorted by key (bytewise); dray's own records below
  /// ".dray/" too.
  virtual std::vector<Listed> list(const std::string& prefix, const std::stop_token& stop) = 0;
  /// Names directly below `prefix` (which ends in '/' or is ""): the next path segment of each,
  /// without '/', sorted.
  virtual std::vector<std::string> list_names(const std::string& prefix,
                                              const std::stop_token& stop) = 0;
  /// Fills `out` from `offset` on; `etag` ("" = any) pins the object: another one is
  /// Code::precondition, none is Code::not_found, permanent both. One try.
  virtual void read(const std::string& key, const std::string& etag, std::uint64_t offset,
                    MutableBytes out, const std::stop_token& stop) = 0;
  /// Absent is success.
  virtual void remove(const std::string& key, const std::stop_token& stop) = 0;
  /// Uploads that were begun and neither committed nor abandoned, of keys that begin with `prefix`;
  /// anyone's, so a journal must say which are ours.
  virtual std::vector<UnfinishedUpload> unfinished(const std::string& prefix,
                                                   const std::stop_token& stop) = 0;
  virtual void abandon(const UnfinishedUpload& upload, const std::stop_token& stop) = 0;
  /// Where a server finds the folder `key` ("s3://bucket/…/", "/path/…"); ends in '/'.
  virtual std::string serving_uri(const std::string& key) const = 0;
  /// Bytes that can still be written, nullopt where the store does not tell.
  virtual std::optional<std::uint64_t> free_bytes() { return std::nullopt; }
};

}  // namespace dray
