#include "dray/source/streamed_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "dray/base/time.h"
#include "dray/source/listing.h"

namespace dray {

StreamedReader::StreamedReader(std::vector<FileEntry> files, Stream stream, std::string source,
                               std::stop_token stop)
    : files_(std::move(files)),
      stream_(std::move(stream)),
      source_(std::move(source)),
      stop_(std::move(stop)),
      ring_(kAhead) {}

StreamedReader::~StreamedReader() = default;  // the thread is stopped and joined first

const FileEntry* StreamedReader::next() {
  if (current_ != nullptr) finish();
  current_ = index_ < files_.size() ? &files_[index_++] : nullptr;
  offset_ = 0;
  if (current_ != nullptr && current_->size > 0) begin();
  return current_;
}

void StreamedReader::begin() {
  {
    const std::lock_guard lock(mutex_);
    first_ = held_ = 0;
    ended_ = false;
    failure_.reset();
  }
  receiver_ = std::jthread([this](const std::stop_token& stop) { receive(stop); });
}

/// Waits for the end of the current file, so that an answer that goes wrong after its last byte is
/// an error too.
void StreamedReader::finish() {
  if (!receiver_.joinable()) return;
  if (offset_ < current_->size) receiver_.request_stop();  // given up by the caller
  receiver_.join();
  if (offset_ == current_->size && failure_) throw Error(*failure_);
}

void StreamedReader::receive(const std::stop_token& stop) {
  std::optional<Error> failure;
  try {
    // Either the reader goes away or the whole transfer is stopped.
    std::stop_source both;
    const std::stop_callback own(stop, [&] { both.request_stop(); });
    const std::stop_callback whole(stop_, [&] { both.request_stop(); });
    const std::stop_token token = both.get_token();
    stream_(*current_, [&](Bytes bytes) { return take(bytes, token); }, token);
  } catch (...) {
    failure = current_error();
  }
  const std::lock_guard lock(mutex_);
  failure_ = std::move(failure);
  ended_ = true;
  changed_.notify_all();
}

bool StreamedReader::take(Bytes bytes, const std::stop_token& stop) {
  while (!bytes.empty()) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait(lock, stop, [&] { return held_ < ring_.size(); })) return false;
    const std::size_t at = (first_ + held_) % ring_.size();
    const std::size_t room = std::min(ring_.size() - held_, ring_.size() - at);
    const std::size_t n = std::min(room, bytes.size());
    std::memcpy(ring_.data() + at, bytes.data(), n);
    held_ += n;
    bytes = bytes.subspan(n);
    changed_.notify_all();
  }
  return true;
}

void StreamedReader::read(MutableBytes out) {
  if (current_ == nullptr || out.size() > current_->size - offset_)
    throw Error(Code::internal, "read past the end of a file").from(Side::source);
  const MutableBytes whole = out;
  while (!out.empty()) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop_, [&] { return held_ > 0 || ended_; });
    throw_if_stopped(stop_);
    if (held_ == 0) {
      if (failure_) throw Error(*failure_);
      throw Error(Code::network, "the file ended early")
          .on("read", source_ + "/" + current_->path)
          .from(Side::source)
          .transient();
    }
    const std::size_t n = std::min({held_, ring_.size() - first_, out.size()});
    std::memcpy(out.data(), ring_.data() + first_, n);
    first_ = (first_ + n) % ring_.size();
    held_ -= n;
    out = out.subspan(n);
    changed_.notify_all();
  }
  check_no_pointer(*current_, offset_, whole, source_);
  offset_ += whole.size();
}

}  // namespace dray
