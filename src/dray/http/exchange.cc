#include "dray/http/exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "dray/http/excerpt.h"

namespace dray::http {

namespace {

constexpr std::uint64_t kMaxHeaderBytes = 64 << 10;
constexpr std::size_t kMaxFields = 200;
constexpr std::uint64_t kMaxErrorBody = 1 << 20;
constexpr std::uint64_t kMaxReserve = 1 << 20;

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool is_compressed(std::string_view encoding) {
  for (const std::string_view name : {"gzip", "x-gzip", "deflate", "br", "zstd", "compress"})
    if (encoding == name) return true;
  return false;
}

}  // namespace

Error Exchange::error(Code code, std::string message) const {
  return Error(code, std::move(message))
      .on(request_.verb.empty() ? request_.method : request_.verb,
          request_.object.empty() ? request_.url.shown() : request_.object)
      .from(request_.side);
}

bool Exchange::ambiguous() const {
  return sent() && !request_.repeatable && request_.method != "GET" && request_.method != "HEAD";
}

Error Exchange::interrupted(std::string message) const {
  Error out = error(Code::network, std::move(message));
  if (ambiguous()) return std::move(out).ambiguous();
  return std::move(out).transient();
}

std::optional<std::uint64_t> Exchange::expected() const {
  if (range_accepted_) return into_->range.length;
  return content_length_;
}

bool Exchange::on_send() noexcept {
  const bool conditional =
      request_.headers.has("If-Match") || request_.headers.has("If-None-Match");
  const bool idempotent =
      stream_ == nullptr &&
      (request_.repeatable || request_.method == "GET" || request_.method == "HEAD" ||
       ((request_.method == "PUT" || request_.method == "DELETE") && !conditional));
  if (sends_ > 0 && !idempotent) return false;
  ++sends_;
  return true;
}

std::size_t Exchange::on_read(char* out, std::size_t size) noexcept {
  if (stream_ != nullptr) {
    try {
      const std::size_t given = stream_->give(std::as_writable_bytes(std::span<char>(out, size)));
      body_sent_ += given;
      return given;
    } catch (...) {
      failure_ = current_error();
      return kNoBody;
    }
  }
  const std::size_t n = std::min(size, request_.body.size() - body_sent_);
  if (n > 0) std::memcpy(out, request_.body.data() + body_sent_, n);
  body_sent_ += n;
  return n;
}

bool Exchange::on_seek(std::int64_t offset) noexcept {
  if (stream_ != nullptr) return false;
  if (offset < 0 || static_cast<std::uint64_t>(offset) > request_.body.size()) return false;
  body_sent_ = static_cast<std::size_t>(offset);
  return true;
}

bool Exchange::start_of_block(std::string_view line) {
  if (!line.starts_with("HTTP/")) return false;
  // "HTTP/1.1 206 Partial Content"; libcurl has already refused lines without a status.
  const std::size_t space = line.find(' ');
  const std::string_view status = line.substr(std::min(space, line.size() - 1) + 1, 3);
  response_.status = static_cast<int>(parse_u64(status).value_or(0));
  response_.headers = {};
  head_done_ = false;
  return true;
}

void Exchange::add_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  // Folded fields are forbidden since RFC 7230, and read differently by different parsers.
  if (colon == std::string_view::npos || colon == 0 || line.front() == ' ' || line.front() == '\t')
    throw error(Code::malformed, "the answer has a malformed header field");
  if (response_.headers.fields().size() >= kMaxFields)
    throw error(Code::malformed,
                fmt::format("the answer has more than {} header fields", kMaxFields));
  response_.headers.add(std::string(trim(line.substr(0, colon))),
                        std::string(trim(line.substr(colon + 1))));
}

bool Exchange::on_header_line(std::string_view line) noexcept {
  try {
    header_bytes_ += line.size();
    if (header_bytes_ > kMaxHeaderBytes)
      throw error(Code::malformed, fmt::format("the answer's header is longer than {}",
                                               human_size(kMaxHeaderBytes)));
    // After the head come at most another one (after a 1xx) and the trailers of a chunked body.
    const bool between = !head_done_ || response_.status / 100 == 1;
    if (between && start_of_block(line)) return true;
    if (head_done_) return true;
    if (trim(line).empty())
      end_of_head();
    else
      add_field(line);
  } catch (...) {
    failure_ = current_error();
  }
  return !failure_ && !cut_;
}

void Exchange::end_of_head() {
  head_done_ = true;
  if (response_.status / 100 == 1) return;
  if (const auto text = response_.headers.get("Content-Length")) content_length_ = parse_u64(*text);
  if (request_.method == "HEAD") return;
  if (into_ != nullptr) {
    judge_range();
    return;
  }
  if (!is_success()) return;
  if (content_length_.value_or(0) > limit_)
    throw error(Code::malformed, fmt::format("the answer has {}, more than the limit of {}",
                                             human_size(*content_length_), human_size(limit_)));
  const std::string encoding = response_.headers.get("Content-Encoding").value_or("");
  if (is_compressed(encoding) && !request_.headers.has("Accept-Encoding"))
    throw error(Code::malformed,
                "the answer is compressed (" + encoding + ") without being asked to");
  if (sink_ != nullptr) return;
  response_.body.reserve(std::min(content_length_.value_or(0), kMaxReserve));
}

void Exchange::judge_range() {
  const ByteRange& asked = into_->range;
  if (response_.status == 206) {
    const std::string text = response_.headers.get("Content-Range").value_or("");
    const auto stated = parse_content_range(text);
    if (!stated || stated->range != asked)
      throw error(Code::malformed,
                  fmt::format("asked for bytes {}-{}, the answer holds \"{}\"", asked.offset,
                              asked.end() - 1, clean_text(text, 100)));
    if (into_->total && stated->total && *stated->total != *into_->total)
      throw error(Code::verification, fmt::format("the file has {} bytes now, not {} as before",
                                                  *stated->total, *into_->total))
          .hint("it was changed at its source; run again to take the new state");
    range_accepted_ = true;
  } else if (is_success()) {
    // Only the whole file, of the right size, will do in place of a range.
    range_accepted_ = response_.status == 200 && asked.offset == 0 &&
                      into_->total == asked.length &&
                      content_length_.value_or(asked.length) == asked.length;
    cut_ = !range_accepted_;
  }
  if (range_accepted_ && content_length_.value_or(asked.length) > asked.length)
    throw error(Code::malformed, fmt::format("asked for {} bytes, the answer has {}", asked.length,
                                             *content_length_));
}

bool Exchange::on_body(std::string_view bytes) noexcept {
  try {
    if (range_accepted_) {
      const std::uint64_t room = into_->range.length - response_.received;
      const std::size_t n = std::min<std::uint64_t>(room, bytes.size());
      std::memcpy(into_->out.data() + response_.received, bytes.data(), n);
      response_.received += n;
      if (n < bytes.size())
        throw error(Code::malformed,
                    fmt::format("asked for {} bytes, more came", into_->range.length));
      return true;
    }
    if (sink_ != nullptr && is_success()) {
      response_.received += bytes.size();
      cut_ = !(*sink_)(as_bytes(bytes));
      return !cut_;
    }
    const std::uint64_t limit = is_success() ? limit_ : kMaxErrorBody;
    const std::size_t n = std::min<std::uint64_t>(limit - response_.body.size(), bytes.size());
    response_.body.append(bytes.substr(0, n));
    response_.received += n;
    if (n == bytes.size()) return true;
    if (is_success())
      throw error(Code::malformed,
                  fmt::format("the answer is longer than the limit of {}", human_size(limit)));
    cut_ = true;  // this much of an error page is enough
  } catch (...) {
    failure_ = current_error();
  }
  return false;
}

void Exchange::finish() {
  if (range_accepted_ && response_.received < into_->range.length)
    failure_ = interrupted(fmt::format("the answer ended after {} of {} bytes", response_.received,
                                       into_->range.length));
}

}  // namespace dray::http
