// HTTP server over libmicrohttpd: a thread for each connection, blocking handlers, streamed or
// generated bodies, TLS, and limits on what a client may hold or keep waiting.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "dray/base/bytes.h"
#include "dray/base/secret.h"
#include "dray/http/headers.h"

namespace dray::http {

struct ServerRequest {
  std::string method;      // "GET" also for HEAD
  bool head_only = false;  // the client sent HEAD: no body will be asked for
  std::string path;        // percent-encoded, as received
  std::string query;       // without '?'
  Headers headers;
  std::string body;      // at most ServerOptions::max_body bytes
  std::string client;    // address of the peer, "192.0.2.1" or "2001:db8::1"
  std::stop_token stop;  // requested when the server ends and will wait no longer
};

struct ServerResponse {
  int status = 200;
  Headers headers;  // Content-Length is set by the server
  std::string body;
  /// Instead of `body`: `length` bytes produced on demand. Called from the connection's thread,
  /// offsets ascending.
  std::function<void(std::uint64_t offset, MutableBytes out)> produce;
  std::uint64_t length = 0;
  std::string user;  // who asked, for the log; not sent
};

/// How a request ended.
struct Answered {
  int status = 0;
  std::uint64_t bytes = 0;            // of the body
  bool whole = true;                  // false: the client went away before the end
  std::chrono::microseconds took{0};  // from the head to the last byte
  std::string_view user;
};

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 0;                      // 0 = any free one
  std::uint64_t max_body = 1 << 20;  // larger gets 413
  /// Where all places are taken, the connection that has waited longest without a request goes.
  int max_connections = 256;
  int idle_timeout_s = 30;  // without a byte in either direction
  /// From the connection, or the end of the last answer, to the last byte of a request's head; also
  /// how long a connection is kept without a request.
  std::chrono::milliseconds head_deadline{30'000};
  /// From the head to the last byte of the body.
  std::chrono::milliseconds body_deadline{30'000};
  /// How long the destructor lets running requests go on before it cuts their connections.
  std::chrono::milliseconds drain_timeout{5'000};
  /// The answer to what the server itself refuses (413, 500); plain text where not given.
  std::function<ServerResponse(int status, const std::string& message)> refusal;
  /// PEM text. With both the server speaks TLS 1.2 and 1.3, and nothing else.
  std::string certificate;
  Secret key;
  /// Told of every request that was answered, from the connection's thread. Must not throw.
  std::function<void(const ServerRequest&, const Answered&)> on_answered;
};

/// Runs from construction to destruction. The handler is called from several threads at once; what
/// it throws becomes a 500 without details (they are logged). HEAD is answered from the GET
/// handler's length and headers.
class Server {
 public:
  using Handler = std::function<ServerResponse(const ServerRequest&)>;
  /// Throws Code::usage where the address cannot be listened at or the certificate is of no use.
  Server(ServerOptions options, Handler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  int port() const;
  std::string url() const;  // "http://127.0.0.1:PORT"

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dray::http
