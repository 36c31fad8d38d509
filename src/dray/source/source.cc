#include "dray/source/source.h"

#include <algorithm>
#include <utility>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/http/retry.h"

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

}  // namespace dray
