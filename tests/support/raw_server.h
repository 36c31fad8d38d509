// An HTTP/1.1 server on loopback, on plain sockets, that misbehaves exactly as told.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace dray::test {

struct RawRequest {
  std::uint64_t id = 0;  // counts requests of the server
  std::string method;
  std::string target;                                        // path and query as received
  std::string path;                                          // target up to '?', percent-encoded
  std::string query;                                         // after '?'
  std::vector<std::pair<std::string, std::string>> headers;  // names lower-case
  std::string body;
  std::string header(std::string_view name) const;  // "" if absent; name lower-case
};

/// What to answer, and how to break while doing so. Faults count body bytes.
struct RawResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool send_length = true;                   // Content-Length: body.size(), unless headers have one
  std::optional<std::uint64_t> reset_after;  // send so many body bytes, then RST
  std::optional<std::uint64_t> close_after;  // … then close cleanly (truncation)
  std::optional<std::uint64_t>
      stall_after;  // … then send nothing until the peer or the server goes away
  std::optional<std::uint64_t> flip_at;  // invert the body byte at this offset
  std::string extra;                     // sent after the body, beyond Content-Length
  bool close = false;                    // Connection: close after this answer
  bool drop = false;                     // no answer at all: RST after the request was read
  bool silent = false;  // no answer either, but the connection stays until the peer goes away
};

/// What to do with the body that follows a head.
struct RawBody {
  /// Sent at once; the body is thrown away and the connection closed. Without a body this is an
  /// answer like any other.
  std::optional<RawResponse> refusal;
  /// After so many bytes (or at its end) the body counts as broken: then RST …
  std::optional<std::uint64_t> cut_after;
  /// … or nothing more is read until the peer or the server goes away.
  std::optional<std::uint64_t> stall_after;
};

/// For servers that act before a body has come whole. Only they take chunked bodies (others answer
/// 411).
struct RawIntake {
  /// Gets the head of each request; the handler gets the same one with its body, unless refused.
  std::function<RawBody(const RawRequest&)> begin;
  /// Gets what came of a body that was cut, stalled or left by the peer, before the connection
  /// ends. Instead of the handler.
  std::function<void(const RawRequest&)> broken;
};

/// One thread a connection, keep-alive. The handler runs on those threads, several at once.
/// Requests are recorded.
class RawServer {
 public:
  using Handler = std::function<RawResponse(const RawRequest&)>;
  explicit RawServer(Handler handler, RawIntake intake = {});
  ~RawServer();  // closes all connections, joins all threads
  int port() const;
  std::string url() const;                   // "http://127.0.0.1:PORT"
  std::vector<RawRequest> requests() const;  // without bodies
  std::size_t connections() const;           // accepted so far

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dray::test
