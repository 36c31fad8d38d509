#include "dray/http/server.h"

#include <microhttpd.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/http/server_listen.h"
#include "dray/http/server_watch.h"

namespace dray::http {

namespace {

// Memory of a download is one block a connection; larger ones gain nothing measurable.
constexpr std::uint64_t kProduceBlock = 256 << 10;
// Holds the request's head; longer ones get 431 from the library.
constexpr std::size_t kConnectionMemory = 128 << 10;
// What is still read of a body that was refused, so that the client sees the answer before its
// connection breaks.
constexpr std::chrono::milliseconds kLinger{1'000};
constexpr std::uint64_t kLingerBytes = 8 << 20;
constexpr const char* kTlsPriorities =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE";

using Clock = std::chrono::steady_clock;

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

/// One request, from its first line to the last byte of its answer.
struct Transaction {
  ServerRequest request;
  ServerResponse response;  // the library reads body and stream until the transaction ends
  std::uint64_t body_size = 0;
  Clock::time_point began;
  bool counted = false;
  bool answered = false;
  bool refused_early = false;  // before its body was read
};

}  // namespace

struct Server::Impl {
  ServerOptions options;
  Handler handler;
  int port = 0;
  MHD_Daemon* daemon = nullptr;
  std::unique_ptr<ConnectionWatch> watch;
  std::stop_source stop_source;

  std::mutex mutex;
  std::condition_variable idle;
  int active = 0;  // requests whose answers are not complete
  bool stopping = false;
  std::string start_problem;  // what the library said last, until it has started

  void start();
  void stop();
  ServerResponse refusal(int status, const std::string& message) const;
  ServerResponse call_handler(const ServerRequest& request) const;
  void begin(MHD_Connection* connection, const char* method, Transaction& transaction);
  MHD_Result receive(MHD_Connection* connection, const char* method, const char* data,
                     std::size_t* size, Transaction& transaction);
  MHD_Result answer(MHD_Connection* connection, Transaction& transaction);
  void finished(MHD_Connection* connection, Transaction* transaction, bool whole);
  void linger(int fd) const;

  static void on_connection(void* self, MHD_Connection* connection, void** context,
                            MHD_ConnectionNotificationCode code);
  static void* on_uri(void* self, const char* uri, MHD_Connection* connection);
  static MHD_Result on_data(void* self, MHD_Connection* connection, const char* url,
                            const char* method, const char* version, const char* data,
                            std::size_t* size, void** transaction);
  static void on_completed(void* self, MHD_Connection* connection, void** transaction,
                           MHD_RequestTerminationCode code);
  static void on_message(void* self, const char* format, va_list arguments)
      __attribute__((format(printf, 2, 0)));
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

std::uint64_t length_of(const ServerResponse& response) {
  return response.produce ? response.length : response.body.size();
}

WatchedConnection& watched(MHD_Connection* connection) {
  const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return *static_cast<WatchedConnection*>(info->socket_context);
}

}  // namespace

void Server::Impl::start() {
  Fd listener = listen_at(options.host, options.port);
  port = port_of(listener);
  watch = std::make_unique<ConnectionWatch>(static_cast<std::size_t>(options.max_connections));
  std::vector<MHD_OptionItem> more;
  unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL |
                   MHD_USE_ITC | MHD_USE_ERROR_LOG;
  if (const bool tls = !options.certificate.empty() || !options.key.empty(); tls) {
    flags |= MHD_USE_TLS;
    const auto text = [](const std::string& value) { return const_cast<char*>(value.c_str()); };
    more.push_back({MHD_OPTION_HTTPS_MEM_CERT, 0, text(options.certificate)});
    more.push_back({MHD_OPTION_HTTPS_MEM_KEY, 0, text(options.key.reveal())});
    more.push_back({MHD_OPTION_HTTPS_PRIORITIES, 0, const_cast<char*>(kTlsPriorities)});
  }
  more.push_back({MHD_OPTION_END, 0, nullptr});
  daemon = MHD_start_daemon(
      flags, 0, nullptr, nullptr, &Impl::on_data, this, MHD_OPTION_EXTERNAL_LOGGER,
      &Impl::on_message, this, MHD_OPTION_LISTEN_SOCKET, listener.get(),
      MHD_OPTION_URI_LOG_CALLBACK, &Impl::on_uri, this, MHD_OPTION_UNESCAPE_CALLBACK, &keep_escapes,
      nullptr, MHD_OPTION_NOTIFY_COMPLETED, &Impl::on_completed, this, MHD_OPTION_NOTIFY_CONNECTION,
      &Impl::on_connection, this, MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory,
      // The watch keeps to the limit; those that it cut take a moment to go.
      MHD_OPTION_CONNECTION_LIMIT, static_cast<unsigned>(2 * options.max_connections + 64),
      MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(options.idle_timeout_s),
      MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, more.data(), MHD_OPTION_END);
  if (daemon == nullptr)
    throw Error(Code::usage,
                start_problem.empty() ? "the HTTP server could not be started" : start_problem)
        .on("listen at", options.host + ":" + std::to_string(port))
        .from(Side::local)
        .hint(options.certificate.empty() ? "" : "check the certificate and its key (PEM)");
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
  stop_source.request_stop();
  MHD_stop_daemon(daemon);
}

void Server::Impl::on_message(void* self, const char* format, va_list arguments) {
  char text[500];
  std::vsnprintf(text, sizeof text, format, arguments);
  std::string_view line(text);
  while (line.ends_with('\n')) line.remove_suffix(1);
  debug("HTTP server: {}", line);
  auto* const impl = static_cast<Impl*>(self);
  const std::lock_guard lock(impl->mutex);
  impl->start_problem = line;
}

void Server::Impl::on_connection(void* self, MHD_Connection* connection, void** context,
                                 MHD_ConnectionNotificationCode code) {
  auto* const impl = static_cast<Impl*>(self);
  if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
    impl->watch->closed(static_cast<WatchedConnection*>(*context));
    *context = nullptr;
    return;
  }
  const int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
  const auto* address =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
  auto* const opened = impl->watch->opened(fd, address_text(address));
  opened->wait_for_request(impl->options.head_deadline);
  *context = opened;
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

void Server::Impl::begin(MHD_Connection* connection, const char* method, Transaction& transaction) {
  {
    const std::lock_guard lock(mutex);
    ++active;
  }
  transaction.counted = true;
  transaction.began = Clock::now();
  ServerRequest& request = transaction.request;
  request.head_only = std::strcmp(method, "HEAD") == 0;
  request.method = request.head_only ? "GET" : method;
  MHD_get_connection_values(connection, MHD_HEADER_KIND, &add_request_header, &request.headers);
  WatchedConnection& peer = watched(connection);
  request.client = peer.client();
  request.stop = stop_source.get_token();
  peer.read_body(options.body_deadline);
}

MHD_Result Server::Impl::receive(MHD_Connection* connection, const char* method, const char* data,
                                 std::size_t* size, Transaction& transaction) {
  ServerRequest& request = transaction.request;
  if (!transaction.counted) {  // the first of several calls: the head is there
    begin(connection, method, transaction);
    const auto length = parse_u64(request.headers.get("Content-Length").value_or(""));
    if (length.value_or(0) <= options.max_body) return MHD_YES;
    transaction.refused_early = true;
    transaction.response = refusal(413, "the request's body is too large");
    transaction.response.headers.set("Connection", "close");
    return answer(connection, transaction);
  }
  if (*size > 0) {
    transaction.body_size += *size;
    // A body without a length is read to its end, since only then it can be answered.
    if (transaction.body_size <= options.max_body)
      request.body.append(data, *size);
    else
      request.body = {};
    *size = 0;
    return MHD_YES;
  }
  watched(connection).work();
  transaction.response = transaction.body_size > options.max_body
                             ? refusal(413, "the request's body is too large")
                             : call_handler(request);
  return answer(connection, transaction);
}

ServerResponse Server::Impl::refusal(int status, const std::string& message) const {
  return options.refusal ? options.refusal(status, message) : plain(status, message + "\n");
}

ServerResponse Server::Impl::call_handler(const ServerRequest& request) const {
  try {
    return handler(request);
  } catch (...) {
    warn("{} {} failed: {}", request.method, request.path, current_error().what());
    return refusal(500, "internal error");
  }
}

MHD_Result Server::Impl::answer(MHD_Connection* connection, Transaction& transaction) {
  ServerResponse& response = transaction.response;
  watched(connection).answer(length_of(response));
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
  const bool last = [this] {
    const std::lock_guard lock(mutex);
    return stopping;
  }();
  if (last) MHD_add_response_header(out, "Connection", "close");
  const MHD_Result result =
      MHD_queue_response(connection, static_cast<unsigned>(response.status), out);
  MHD_destroy_response(out);
  transaction.answered = result == MHD_YES;
  return result;
}

void Server::Impl::on_completed(void* self, MHD_Connection* connection, void** transaction,
                                MHD_RequestTerminationCode code) {
  static_cast<Impl*>(self)->finished(connection, static_cast<Transaction*>(*transaction),
                                     code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
  *transaction = nullptr;
}

void Server::Impl::finished(MHD_Connection* connection, Transaction* transaction, bool whole) {
  const std::unique_ptr<Transaction> owned(transaction);
  if (!owned || !owned->counted) return;
  WatchedConnection& peer = watched(connection);
  if (owned->answered && options.on_answered) {
    const ServerResponse& response = owned->response;
    const auto took =
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - owned->began);
    options.on_answered(owned->request,
                        {.status = response.status,
                         .bytes = owned->request.head_only ? 0 : length_of(response),
                         .whole = whole,
                         .took = took,
                         .user = response.user});
  }
  if (owned->refused_early && whole) linger(peer.fd());
  peer.wait_for_request(options.head_deadline);
  const std::lock_guard lock(mutex);
  if (--active == 0) idle.notify_all();
}

void Server::Impl::linger(int fd) const {
  // Closing with unread bytes would reset the connection, and the answer could be lost with it.
  if (options.certificate.empty()) ::shutdown(fd, SHUT_WR);
  std::vector<char> nowhere(64 << 10);
  const auto end = Clock::now() + kLinger;
  std::uint64_t taken = 0;
  while (taken < kLingerBytes && !stop_source.stop_requested()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || ::poll(&readable, 1, static_cast<int>(left.count())) <= 0) return;
    const ssize_t got = ::recv(fd, nowhere.data(), nowhere.size(), MSG_DONTWAIT);
    if (got <= 0) return;
    taken += static_cast<std::uint64_t>(got);
  }
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
  const char* scheme = impl_->options.certificate.empty() ? "http://" : "https://";
  return scheme + host + ":" + std::to_string(impl_->port);
}

}  // namespace dray::http
