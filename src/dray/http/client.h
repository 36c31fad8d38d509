// HTTP client over libcurl: pooled connections, deadlines, stall watchdog, bounded bodies. It
// follows no redirect and retries nothing by itself; `retry.h` retries requests without a body. One
// exception: when a kept connection dies before a byte of the answer has come, GET, HEAD, PUT and
// DELETE without a condition (If-Match, If-None-Match), and what is `repeatable` are sent once more
// on a new connection; others end as ambiguous.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/http/headers.h"
#include "dray/http/url.h"

namespace dray::http {

struct ClientOptions {
  std::string user_agent;  // "" = "dray/<version>"
  std::string ca_file;  // PEM bundle; "" = SSL_CERT_FILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, else
                        // the system's
  bool verify_tls = true;
  std::chrono::milliseconds connect_timeout{10'000};
  /// No byte moved in either direction for this long is a transient Code::network error
  /// ("stalled").
  std::chrono::milliseconds stall_timeout{30'000};
  /// Proxies come from the environment (http_proxy, https_proxy, no_proxy), as libcurl reads it.
  /// false = never any, for services of the machine itself.
  bool use_proxy = true;
};

struct Request {
  std::string method = "GET";
  Url url;
  Headers headers;
  /// Sent as it is with Content-Length; borrowed until `send` returns.
  Bytes body;
  Side side = Side::none;         // named in errors
  std::string verb;               // for errors: "list", "read" …; "" = method
  std::string object;             // for errors: "hf://a/b"; "" = url.shown()
  bool fresh_connection = false;  // do not reuse a pooled connection (after a stall)
  /// It may be done twice, so that an answer that was lost is a transient error and no ambiguous
  /// one, whatever the method.
  bool repeatable = false;
  /// Total time for the whole exchange; zero = none (the stall watchdog always applies).
  std::chrono::milliseconds deadline{0};
  /// Longer stall limit for answers that take long to begin (CompleteMultipartUpload); zero = the
  /// client's.
  std::chrono::milliseconds stall_timeout{0};
};

struct Response {
  int status = 0;
  Headers headers;
  std::string body;            // empty where the body went into a caller's buffer
  std::uint64_t received = 0;  // body bytes
};

/// Where the body of a 2xx answer goes; the bodies of other answers always go to Response::body,
/// cut off after 1 MiB.
struct BodyLimit {
  std::uint64_t bytes = 64 << 20;  // more than this is Code::malformed
};
/// A request's body that is made while it is sent.
struct BodyStream {
  /// Fills the beginning of the buffer and says how much; 0 ends the body. May block: that is no
  /// stall. What it throws ends the request and comes out of send_body().
  std::function<std::size_t(MutableBytes)> give;
  /// Sent as Content-Length where known; else the body goes out in chunks (RFC 9112 section 7.1).
  std::optional<std::uint64_t> size;
};
/// A 206 (or, with `offset` 0 and a matching length, 200) answer that must fill `out` exactly.
struct RangeInto {
  ByteRange range;                     // what is asked for; `send_range` sets the Range header
  MutableBytes out;                    // range.length bytes
  std::optional<std::uint64_t> total;  // size that Content-Range must state, where known
};

/// Thread-safe; each call uses a pooled handle (and its kept-alive connection) alone.
class Client {
 public:
  explicit Client(ClientOptions options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Sends, waits for the whole answer of any status. Throws only when no complete answer came:
  /// Code::network (transient; *ambiguous* if the request was sent, has a method other than GET or
  /// HEAD and is not `repeatable`), Code::auth for TLS verification failures with a hint about CA
  /// files, Code::malformed for bodies or headers (64 KiB, 200 fields) over the limits,
  /// Code::cancelled soon (< 1 s) after `stop`.
  Response send(const Request& request, const std::stop_token& stop = {}, BodyLimit limit = {});

  /// GET of one range into the caller's buffer without another copy. A 206 is checked against the
  /// range before a byte is taken: another range is Code::malformed, another total
  /// Code::verification (the file was changed at its source), both permanent. A body longer than
  /// asked for is cut off and is an error; 200 to a range is accepted only when the range is the
  /// whole file of known total, else the answer is returned with `received` = 0 for the caller to
  /// judge (status 200). Other statuses are returned with body. A short body is a transient
  /// Code::network error.
  Response send_range(const Request& request, const RangeInto& into,
                      const std::stop_token& stop = {});

  /// GET (or what the request says) whose 2xx body goes to `sink` as it comes, however long it is;
  /// other bodies go to Response::body. `sink` may block: that is no stall. When it answers false
  /// the rest is not read and the connection is closed; what it throws comes out of here. Contents
  /// that end before their Content-Length are a transient Code::network error.
  Response send_streamed(const Request& request, const std::function<bool(Bytes)>& sink,
                         const std::stop_token& stop = {});

  /// As send(), with `body` instead of Request::body. It is sent at most once: a kept connection
  /// that turns out dead is an ambiguous Code::network error, so ask for a fresh one. A server that
  /// answers with an error before it has read everything gets no more of it.
  Response send_body(const Request& request, const BodyStream& body,
                     const std::stop_token& stop = {}, BodyLimit limit = {});

  const ClientOptions& options() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dray::http
