// Turns a source that pushes a file's bytes into one that they are read from.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "dray/base/error.h"
#include "dray/source/source.h"

namespace dray {

/// One file after another; a thread of its own receives the current one and waits while `kAhead`
/// bytes are not read yet. Every file must end exactly at its size, which is proved when the next
/// one is asked for. Nothing is retried: after an error the reader is of no more use.
class StreamedReader : public OrderedReader {
 public:
  /// Gives all bytes of a file to the sink, in order, until the sink answers false; throws when
  /// there are not exactly FileEntry::size of them.
  using Stream = std::function<void(const FileEntry&, const std::function<bool(Bytes)>& sink,
                                    const std::stop_token& stop)>;
  static constexpr std::size_t kAhead = 4 << 20;

  StreamedReader(std::vector<FileEntry> files, Stream stream, std::string source,
                 std::stop_token stop);
  ~StreamedReader() override;

  const FileEntry* next() override;
  void read(MutableBytes out) override;

 private:
  void begin();
  void finish();
  void receive(const std::stop_token& stop);
  bool take(Bytes bytes, const std::stop_token& stop);

  const std::vector<FileEntry> files_;
  const Stream stream_;
  const std::string source_;
  const std::stop_token stop_;
  std::size_t index_ = 0;  // of the next file
  const FileEntry* current_ = nullptr;
  std::uint64_t offset_ = 0;  // of what read() gives next

  std::mutex mutex_;
  std::condition_variable_any changed_;
  Buffer ring_;                       // guarded by mutex_, as are the next four
  std::size_t first_ = 0, held_ = 0;  // where unread bytes begin in the ring, and how many
  bool ended_ = false;                // the stream is over
  std::optional<Error> failure_;      // why it is

  std::jthread receiver_;  // last: it uses the members above
};

}  // namespace dray
