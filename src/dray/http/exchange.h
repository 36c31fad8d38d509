// One request and what has come back of it so far: the state behind libcurl's callbacks. Private to
// this room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "dray/base/error.h"
#include "dray/http/client.h"

namespace dray::http {

/// Used by one thread. Every `on_…` function is noexcept: what goes wrong inside is kept in
/// `failure` and the callback tells libcurl to end the transfer.
class Exchange {
 public:
  Exchange(const Request& request, BodyLimit limit) : request_(request), limit_(limit.bytes) {}
  Exchange(const Request& request, const RangeInto& into) : request_(request), into_(&into) {}
  Exchange(const Request& request, const std::function<bool(Bytes)>& sink)
      : request_(request), limit_(UINT64_MAX), sink_(&sink) {}

  Exchange(const Request& request, const BodyStream& body, BodyLimit limit)
      : request_(request), limit_(limit.bytes), stream_(&body) {}

  /// About to send on an established connection; again when libcurl found a reused one dead. False
  /// when this request must not be sent a second time.
  bool on_send() noexcept;
  /// Copies the next part of the request's body to `out`; returns how much, kNoBody after a
  /// failure.
  std::size_t on_read(char* out, std::size_t size) noexcept;
  static constexpr std::size_t kNoBody = SIZE_MAX;
  bool on_seek(std::int64_t offset) noexcept;
  bool on_header_line(std::string_view line) noexcept;
  bool on_body(std::string_view bytes) noexcept;

  /// Checks what can only be judged at the end; to be called when libcurl reports success or
  /// `cut()`.
  void finish();

  const Request& request() const { return request_; }
  Response& response() { return response_; }
  const std::optional<Error>& failure() const { return failure_; }
  /// The transfer was ended on purpose and the response is complete enough for the caller.
  bool cut() const { return cut_; }
  bool sent() const { return sends_ > 0; }
  /// Sent and possibly carried out although no answer came: not to be repeated blindly.
  bool ambiguous() const;
  /// Bytes received, header fields included.
  std::uint64_t received() const { return header_bytes_ + response_.received; }
  std::uint64_t body_received() const { return response_.received; }
  bool wants_range() const { return into_ != nullptr; }
  const BodyStream* stream() const { return stream_; }
  /// Bytes that the stream has given so far.
  std::uint64_t given() const { return stream_ != nullptr ? body_sent_ : 0; }
  /// Body bytes that are expected, where that is known: for messages.
  std::optional<std::uint64_t> expected() const;

  /// An error about this request, with verb, object and side set.
  Error error(Code code, std::string message) const;
  /// The same, transient or ambiguous by what was sent.
  Error interrupted(std::string message) const;

 private:
  bool start_of_block(std::string_view line);
  void add_field(std::string_view line);
  void end_of_head();
  void judge_range();
  bool is_success() const { return response_.status >= 200 && response_.status < 300; }

  const Request& request_;
  const std::uint64_t limit_ = 0;
  const RangeInto* const into_ = nullptr;
  const std::function<bool(Bytes)>* const sink_ = nullptr;
  const BodyStream* const stream_ = nullptr;

  Response response_;
  std::optional<Error> failure_;
  std::optional<std::uint64_t> content_length_;
  std::uint64_t header_bytes_ = 0;
  std::size_t body_sent_ = 0;
  int sends_ = 0;
  bool head_done_ = false;
  bool cut_ = false;
  bool range_accepted_ = false;
};

}  // namespace dray::http
