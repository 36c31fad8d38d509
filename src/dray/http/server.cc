#include "dray/http/server.h"

#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/log.h"

namespace dray::http {

namespace {

// Memory of a download is one block a connection; larger ones gain nothing measurable.
constexpr std::uint64_t kProduceBlock = 256 << 10;
// Holds the request's head; longer ones get 431 from the library.
constexpr std::size_t kConnectionMemory = 128 << 10;
// An upload over the limit is read up to here before the 413, so that the client gets to see it.
constexpr std::uint64_t kDrainLimit = 64 << 20;

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

ServerResponse plain(int status, std::string text) {
  ServerResponse response;
  response.status = status;
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.body = std::move(text);
  return response;
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

/// A socket that listens at `host`:`port`.
Fd listen_at(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string name = host + ":" + std::to_string(port);
  if (const int why = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found))
    throw Error(Code::usage, ::gai_strerror(why)).on("listen at", name);
  const std::unique_ptr<addrinfo, FreeAddresses> address(found);
  Fd fd(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  if (fd.get() < 0 || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(fd.get(), address->ai_addr, address->ai_addrlen) != 0 ||
      ::listen(fd.get(), SOMAXCONN) != 0) {
    const int why = errno;
    throw Error(Code::usage, std::strerror(why))
        .on("listen at", name)
        .from(Side::local)
        .hint(why == EADDRINUSE ? "another program listens there; choose another port" : "");
  }
  return fd;
}

int port_of(const Fd& fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
    throw_errno("listen at", "socket");
  if (address.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

/// One request, from its first line to the last byte of its answer.
struct Transaction {
  ServerRequest request;
  ServerResponse response;  // the library reads body and stream until the transaction ends
  std::uint64_t body_size = 0;
  bool counted = false;
};

}  // namespace

struct Server::Impl {
  ServerOptions options;
  Handler handler;
  int port = 0;
  MHD_Daemon* daemon = nullptr;

  std::mutex mutex;
  std::condition_variable idle;
  int active = 0;  // requests whose answers are not complete
  bool stopping = false;

  void start();
  void stop();
  ServerResponse call_handler(const ServerRequest& request) const;
  MHD_Result receive(MHD_Connection* connection, const char* method, const char* data,
                     std::size_t* size, Transaction& transaction);
  MHD_Result answer(MHD_Connection* connection, Transaction& transaction);
  void finished(Transaction* transaction);

  static void* on_uri(void* self, const char* uri, MHD_Connection* connection);
  static MHD_Result on_data(void* self, MHD_Connection* connection, const char* url,
                            const char* method, const char* version, const char* data,
                            std::size_t* size, void** transaction);
  static void on_completed(void* self, MHD_Connection* connection, void** transaction,
                           MHD_RequestTerminationCode code);
};

namespace {

/// The request target as the client wrote it; the library's own copy is decoded.
void set_target(ServerRequest& request, std::string_view target) {
  if (const std::size_t scheme = target.find("://");
      !target.starts_with('/') && scheme != std::string_view::npos)
    target.remove_prefix(std::min(target.find('/', scheme + 3), target.size()));  // absolute form
  const std::size_t question = target.find('?');
  request.path = target.substr(0, question);
  if (request.path.empty()) request.path = "/";
  if (question != std::string_view::npos) request.query = target.substr(question + 1);
}

MHD_Result add_request_header(void* headers, MHD_ValueKind, const char* name, const char* value) {
  static_cast<Headers*>(headers)->add(name, value != nullptr ? value : "");
  return MHD_YES;
}

std::size_t keep_escapes(void*, MHD_Connection*, char* text) { return std::strlen(text); }

ssize_t produce_block(void* response, std::uint64_t offset, char* out, std::size_t size) {
  const auto& stream = *static_cast<const ServerResponse*>(response);
  if (offset >= stream.length) return MHD_CONTENT_READER_END_OF_STREAM;
  const std::size_t n = std::min<std::uint64_t>(size, stream.length - offset);
  try {
    stream.produce(offset, std::as_writable_bytes(std::span(out, n)));
  } catch (...) {
    warn("an answer was broken off: {}", current_error().what());
    return MHD_CONTENT_READER_END_WITH_ERROR;
  }
  return static_cast<ssize_t>(n);
}

}  // namespace

void Server::Impl::start() {
  Fd listener = listen_at(options.host, options.port);
  port = port_of(listener);
  daemon = MHD_start_daemon(
      MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC,
      0, nullptr, nullptr, &Impl::on_data, this, MHD_OPTION_LISTEN_SOCKET, listener.get(),
      MHD_OPTION_URI_LOG_CALLBACK, &Impl::on_uri, this, MHD_OPTION_UNESCAPE_CALLBACK, &keep_escapes,
      nullptr, MHD_OPTION_NOTIFY_COMPLETED, &Impl::on_completed, this,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory, MHD_OPTION_CONNECTION_LIMIT,
      static_cast<unsigned>(options.max_connections), MHD_OPTION_CONNECTION_TIMEOUT,
      static_cast<unsigned>(options.idle_timeout_s), MHD_OPTION_STRICT_FOR_CLIENT, 1,
      MHD_OPTION_END);
  if (daemon == nullptr) throw Error(Code::internal, "the HTTP server could not be started");
  static_cast<void>(listener.release());  // the daemon's now
}

void Server::Impl::stop() {
  const Fd listener(MHD_quiesce_daemon(daemon));
  ::shutdown(listener.get(), SHUT_RDWR);  // refuse at once what would wait for nobody
  {
    std::unique_lock lock(mutex);
    stopping = true;
    idle.wait_for(lock, options.drain_timeout, [this] { return active == 0; });
  }
  MHD_stop_daemon(daemon);
}

void* Server::Impl::on_uri(void*, const char* uri, MHD_Connection*) {
  try {
    auto transaction = std::make_unique<Transaction>();
    set_target(transaction->request, uri);
    return transaction.release();
  } catch (...) {
    warn("a request was refused: {}", current_error().what());
    return nullptr;
  }
}

MHD_Result Server::Impl::on_data(void* self, MHD_Connection* connection, const char*,
                                 const char* method, const char*, const char* data,
                                 std::size_t* size, void** transaction) {
  if (*transaction == nullptr) return MHD_NO;
  try {
    return static_cast<Impl*>(self)->receive(connection, method, data, size,
                                             *static_cast<Transaction*>(*transaction));
  } catch (...) {
    warn("a request was broken off: {}", current_error().what());
    return MHD_NO;
  }
}

MHD_Result Server::Impl::receive(MHD_Connection* connection, const char* method, const char* data,
                                 std::size_t* size, Transaction& transaction) {
  ServerRequest& request = transaction.request;
  if (!transaction.counted) {  // the first of several calls: the head is there
    {
      const std::lock_guard lock(mutex);
      ++active;
    }
    transaction.counted = true;
    request.head_only = std::strcmp(method, "HEAD") == 0;
    request.method = request.head_only ? "GET" : method;
    MHD_get_connection_values(connection, MHD_HEADER_KIND, &add_request_header, &request.headers);
    const auto length = parse_u64(request.headers.get("Content-Length").value_or(""));
    if (length.value_or(0) > kDrainLimit && *length > options.max_body) {
      transaction.response = plain(413, "the request's body is too large\n");
      return answer(connection, transaction);
    }
    return MHD_YES;
  }
  if (*size > 0) {
    transaction.body_size += *size;
    if (transaction.body_size <= options.max_body)
      request.body.append(data, *size);
    else
      request.body.clear();
    *size = 0;
    return transaction.body_size <= std::max(options.max_body, kDrainLimit) ? MHD_YES : MHD_NO;
  }
  transaction.response = transaction.body_size > options.max_body
                             ? plain(413, "the request's body is too large\n")
                             : call_handler(request);
  return answer(connection, transaction);
}

ServerResponse Server::Impl::call_handler(const ServerRequest& request) const {
  try {
    return handler(request);
  } catch (...) {
    warn("{} {} failed: {}", request.method, request.path, current_error().what());
    return plain(500, "internal error\n");
  }
}

MHD_Result Server::Impl::answer(MHD_Connection* connection, Transaction& transaction) {
  ServerResponse& response = transaction.response;
  MHD_Response* out =
      response.produce
          ? MHD_create_response_from_callback(response.length,
                                              static_cast<std::size_t>(std::clamp<std::uint64_t>(
                                                  response.length, 1, kProduceBlock)),
                                              &produce_block, &response, nullptr)
          : MHD_create_response_from_buffer(response.body.size(), response.body.data(),
                                            MHD_RESPMEM_PERSISTENT);
  if (out == nullptr) return MHD_NO;
  for (const auto& [name, value] : response.headers.fields()) {
    if (same_name(name, "Content-Length") || same_name(name, "Transfer-Encoding")) continue;
    if (MHD_add_response_header(out, name.c_str(), value.c_str()) != MHD_YES)
      warn("header field {} could not be sent", name);
  }
  {
    const std::lock_guard lock(mutex);
    if (stopping) MHD_add_response_header(out, "Connection", "close");
  }
  const MHD_Result result =
      MHD_queue_response(connection, static_cast<unsigned>(response.status), out);
  MHD_destroy_response(out);
  return result;
}

void Server::Impl::on_completed(void* self, MHD_Connection*, void** transaction,
                                MHD_RequestTerminationCode) {
  static_cast<Impl*>(self)->finished(static_cast<Transaction*>(*transaction));
  *transaction = nullptr;
}

void Server::Impl::finished(Transaction* transaction) {
  const std::unique_ptr<Transaction> owned(transaction);
  if (!owned || !owned->counted) return;
  const std::lock_guard lock(mutex);
  if (--active == 0) idle.notify_all();
}

Server::Server(ServerOptions options, Handler handler) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
  impl_->handler = std::move(handler);
  impl_->start();
}

Server::~Server() { impl_->stop(); }

int Server::port() const { return impl_->port; }

std::string Server::url() const {
  std::string host = impl_->options.host;
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return "http://" + host + ":" + std::to_string(impl_->port);
}

}  // namespace dray::http
