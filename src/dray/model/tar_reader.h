// Tar archives of others, read without knowing where their bytes come from.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/model/tar_pax.h"

namespace dray::tar {

struct Header;

enum class EntryType { file, folder, symlink, hardlink, other };

/// A member of an archive; names as stated there, not checked (model/image_path.h does so).
struct Entry {
  std::string path;                  // not empty, no NUL; folders often end in '/'
  EntryType type = EntryType::file;  // other: devices, pipes, types unknown here
  std::uint64_t size = 0;            // of the data that follows the headers; 0 for links
  std::string link_target;           // of links; "" otherwise
  std::uint64_t data_offset = 0;     // in the archive, a multiple of 512
  std::uint32_t mode = 0;            // permission bits
  std::int64_t mtime = 0;            // seconds since 1970
  bool operator==(const Entry&) const = default;
};

struct ReaderLimits {
  std::uint64_t entries = 1'000'000;     // global PAX headers count too
  std::uint64_t name_bytes = 64 * kMiB;  // all names and link targets together
  std::uint64_t record_bytes = kMiB;     // one long name or extended header
};

/// Reads headers only, so that data need not even be fetched: says which bytes it wants next, and
/// is given exactly those. v7, ustar, star and GNU headers, GNU long names and links, PAX headers.
/// All errors are Code::malformed with the place in the archive, but for sparse files and parts of
/// files on other volumes: Code::unsupported. After an error the reader is of no more use. For one
/// thread at a time.
class HeaderReader {
 public:
  /// `what` names the archive in errors.
  explicit HeaderReader(std::string what, ReaderLimits limits = {});

  /// Where the next header, or the body of a record before one, lies: a multiple of 512 bytes.
  /// nullopt after the end of the archive; whatever follows is not part of it.
  std::optional<ByteRange> wanted() const;
  /// Takes the bytes at wanted(), all of them; gives the entry that they complete. Its data lies
  /// between that entry's data_offset and the new wanted().
  std::optional<Entry> feed(Bytes bytes);
  /// The archive ends after `archive_size` bytes, where wanted() has not been reached or given:
  /// right at a border between members, also where the blocks of zeros are missing.
  void finish(std::uint64_t archive_size) const;

 private:
  enum class State { header, record, second_zero, ended };
  /// What records before a header say about it.
  struct Pending {
    std::optional<std::string> long_name, long_link;
    std::optional<PaxRecords> pax;
    bool any() const { return long_name || long_link || pax; }
  };

  [[noreturn]] void fail(std::uint64_t offset, const std::string& why) const;
  std::optional<Entry> take_header(Bytes block);
  void begin_record(char type, std::uint64_t size);
  void take_record(Bytes body);
  std::string name_in(Bytes body) const;
  Entry complete(Header header);
  void settle_name(std::string& name, const std::optional<std::string>& gnu,
                   const std::optional<std::string>& pax) const;
  void count(std::uint64_t name_bytes);

  std::string what_;
  ReaderLimits limits_;
  State state_ = State::header;
  std::uint64_t next_ = 0;         // offset of what is wanted
  std::uint64_t record_size_ = 0;  // without padding
  char record_type_ = '\0';
  Pending pending_;
  std::uint64_t entries_ = 0, name_bytes_ = 0;
};

/// Takes an archive as it streams by, in pieces of any size. For one thread at a time.
class StreamReader {
 public:
  explicit StreamReader(std::string what, ReaderLimits limits = {});

  struct Event {
    enum class Kind {
      entry,  // `entry` begins
      data,   // the next bytes of its data
      end,    // the archive's end; what still follows is swallowed
    };
    Kind kind = Kind::entry;
    const Entry* entry = nullptr;  // valid until the next call; nullptr at the end
    Bytes data;                    // part of the input
  };
  /// The next event in `input`, from whose front what was taken is removed; nullopt when all is
  /// taken. Errors as from HeaderReader.
  std::optional<Event> next(Bytes& input);
  /// The input is complete; Code::malformed where it was cut.
  void finish() const;

 private:
  std::optional<Entry> gather(Bytes& input);

  HeaderReader headers_;
  std::uint64_t position_ = 0;  // bytes taken
  std::uint64_t data_left_ = 0;
  Buffer gathered_;  // what there is of the bytes that headers_ wants
  Entry entry_;
  bool ended_ = false;
};

/// All entries of an archive of this size that can be read at any place. `read` gives exactly the
/// bytes of a range; it is asked for `read_ahead` bytes at once (rounded up to what a header
/// needs), which spares requests where files are small, and for no data beyond that.
std::vector<Entry> scan(std::uint64_t archive_size, const std::function<Buffer(ByteRange)>& read,
                        const std::string& what, std::uint64_t read_ahead = 64 * kKiB,
                        ReaderLimits limits = {});

}  // namespace dray::tar
