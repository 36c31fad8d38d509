#include "dray/source/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/http/retry.h"
#include "dray/model/safetensors.h"

namespace dray {

namespace {

/// For sources whose read() is dear but works: one file after another, from start to end.
class SequentialReader : public OrderedReader {
 public:
  SequentialReader(Source& source, std::vector<FileEntry> files, std::stop_token stop)
      : source_(source), files_(std::move(files)), stop_(std::move(stop)) {}

  const FileEntry* next() override {
    offset_ = 0;
    current_ = index_ < files_.size() ? &files_[index_++] : nullptr;
    return current_;
  }

  void read(MutableBytes out) override {
    if (current_ == nullptr || out.size() > current_->size - offset_)
      throw Error(Code::internal, "read past the end of a file").from(Side::source);
    source_.read(*current_, offset_, out, stop_);
    offset_ += out.size();
  }

 private:
  Source& source_;
  const std::vector<FileEntry> files_;
  const std::stop_token stop_;
  std::size_t index_ = 0;
  const FileEntry* current_ = nullptr;
  std::uint64_t offset_ = 0;
};

bool is_right(const FileEntry& file, const std::string& content) {
  const Bytes bytes = as_bytes(content);
  const Digests& stated = file.digests;
  return (stated.sha256.empty() || Sha256::hex_of(bytes) == stated.sha256) &&
         (stated.git_sha1.empty() || GitBlobSha1::hex_of(bytes) == stated.git_sha1);
}

}  // namespace

std::unique_ptr<OrderedReader> Source::open_ordered(const std::vector<FileEntry>& files,
                                                    const std::stop_token& stop) {
  return std::make_unique<SequentialReader>(*this, files, stop);
}

std::string read_small(Source& source, const FileEntry& file, std::uint64_t limit,
                       const std::stop_token& stop) {
  const std::string object = source.name() + "/" + file.path;
  if (file.size > limit)
    throw Error(Code::malformed, "too large for what it should hold: " + human_size(file.size) +
                                     ", at most " + human_size(limit))
        .on("read", object)
        .from(Side::source);
  std::string content(file.size, '\0');
  http::Retrier retrier{http::RetryPolicy{}};
  for (bool again = false;;) {
    try {
      if (file.size > 0) source.read(file, 0, std::as_writable_bytes(std::span(content)), stop);
    } catch (const Error& error) {
      retrier.failed(error, stop);
      continue;
    }
    if (is_right(file, content)) return content;
    if (std::exchange(again, true))
      throw Error(Code::verification, "the content is not what its publisher states")
          .on("read", object)
          .from(Side::source);
  }
}

namespace {

/// The first bytes of a file, at most its size.
Buffer read_head(Source& source, const FileEntry& file, std::uint64_t bytes,
                 const std::stop_token& stop) {
  Buffer out(static_cast<std::size_t>(std::min(bytes, file.size)));
  for (http::Retrier retrier{http::RetryPolicy{}};;) {
    try {
      if (!out.empty()) source.read(file, 0, out, stop);
      return out;
    } catch (const Error& error) {
      retrier.failed(error, stop);
    }
  }
}

}  // namespace

Buffer read_safetensors_head(Source& source, const FileEntry& file, const std::stop_token& stop,
                             std::uint64_t most) {
  constexpr std::uint64_t kFirstRead = 256 * kKiB;  // holds most headers
  Buffer head = read_head(source, file, kFirstRead, stop);
  const std::uint64_t length = 8 + safetensors_json_length(head, file.path);
  if (length > most || length > file.size)
    throw Error(Code::malformed, fmt::format("a header of {}, {} at most", human_size(length),
                                             human_size(std::min(most, file.size))))
        .on("read", file.path)
        .from(Side::source);
  if (length > head.size()) head = read_head(source, file, length, stop);
  head.resize(static_cast<std::size_t>(length));
  return head;
}

}  // namespace dray
