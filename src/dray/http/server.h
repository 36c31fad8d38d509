// HTTP server over libmicrohttpd: a thread for each connection, blocking handlers, streamed or
// generated bodies.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "dray/base/bytes.h"
#include "dray/http/headers.h"

namespace dray::http {

struct ServerRequest {
  std::string method;      // "GET" also for HEAD
  bool head_only = false;  // the client sent HEAD: no body will be asked for
  std::string path;        // percent-encoded, as received
  std::string query;       // without '?'
  Headers headers;
  std::string body;  // at most ServerOptions::max_body bytes
};

struct ServerResponse {
  int status = 200;
  Headers headers;  // Content-Length is set by the server
  std::string body;
  /// Instead of `body`: `length` bytes produced on demand. Called from the connection's thread,
  /// offsets ascending.
  std::function<void(std::uint64_t offset, MutableBytes out)> produce;
  std::uint64_t length = 0;
};

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 0;                      // 0 = any free one
  std::uint64_t max_body = 1 << 20;  // larger gets 413
  int max_connections = 256;
  int idle_timeout_s = 30;
  /// How long the destructor lets running requests go on before it cuts their connections.
  std::chrono::milliseconds drain_timeout{5'000};
};

/// Runs from construction to destruction. The handler is called from several threads at once; what
/// it throws becomes a 500 without details (they are logged). HEAD is answered from the GET
/// handler's length and headers.
class Server {
 public:
  using Handler = std::function<ServerResponse(const ServerRequest&)>;
  /// Throws Code::usage where the address cannot be listened at.
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
