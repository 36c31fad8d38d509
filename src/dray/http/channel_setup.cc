// The options of a transfer, and the callbacks through which libcurl feeds an Exchange.
#include <curl/curl.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <string>
#include <type_traits>

#include "dray/base/file.h"
#include "dray/http/channel.h"

namespace dray::http {

namespace {

// Every channel keeps its buffers; above 256 KiB no less CPU time was measured.
constexpr long kRangeBuffer = 256 << 10;
constexpr long kAnswerBuffer = 64 << 10;
constexpr long kUploadBuffer = 256 << 10;

std::size_t write_body(char* data, std::size_t size, std::size_t count, void* exchange) {
  const std::size_t n = size * count;
  return static_cast<Exchange*>(exchange)->on_body({data, n}) ? n : n + 1;
}

std::size_t write_header(char* data, std::size_t size, std::size_t count, void* exchange) {
  const std::size_t n = size * count;
  return static_cast<Exchange*>(exchange)->on_header_line({data, n}) ? n : n + 1;
}

std::size_t read_body(char* out, std::size_t size, std::size_t count, void* exchange) {
  const std::size_t n = static_cast<Exchange*>(exchange)->on_read(out, size * count);
  return n == Exchange::kNoBody ? std::size_t{CURL_READFUNC_ABORT} : n;
}

int seek_body(void* exchange, curl_off_t offset, int origin) {
  if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  return static_cast<Exchange*>(exchange)->on_seek(offset) ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

int before_request(void* exchange, char*, char*, int, int) {
  return static_cast<Exchange*>(exchange)->on_send() ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

bool is_token(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text)
    if (c <= ' ' || c > '~' || std::strchr("()<>@,;:\\\"/[]?={}", c) != nullptr) return false;
  return true;
}

bool has_control(std::string_view text) {
  for (const char c : text)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F) return true;
  return false;
}

/// The bundle the user named: by option, else by the variables that other programs know.
std::string ca_bundle(const ClientOptions& options) {
  if (!options.ca_file.empty()) return options.ca_file;
  for (const char* name : {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"})
    if (auto value = env(name)) return *value;
  return "";
}

/// Where distributions keep their bundle, for when it is not where libcurl was told at its build.
std::string system_bundle() {
  std::error_code none;
  const char* built_in = curl_version_info(CURLVERSION_NOW)->cainfo;
  if (built_in != nullptr && std::filesystem::exists(built_in, none)) return "";
  for (const char* path : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                           "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                           "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"})
    if (std::filesystem::exists(path, none)) return path;
  return "";
}

}  // namespace

template <typename Value>
void Channel::set(CURLoption option, Value value) {
  if (curl_easy_setopt(easy_, option, value) != CURLE_OK)
    throw Error(Code::internal, "libcurl refused option " + std::to_string(option));
}

void Channel::set_up(const ClientOptions& options, Exchange& exchange) {
  const Request& request = exchange.request();
  curl_easy_reset(easy_);
  detail_.front() = '\0';
  set(CURLOPT_ERRORBUFFER, detail_.data());
  set(CURLOPT_SHARE, share_);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // a stop must not wait for a name server
  set(CURLOPT_URL, request.url.text().c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  set(CURLOPT_TCP_NODELAY, 1L);
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_TCP_KEEPIDLE, 30L);
  set(CURLOPT_TCP_KEEPINTVL, 15L);
  if (request.fresh_connection || has_unread_bytes()) set(CURLOPT_FRESH_CONNECT, 1L);
  if (!options.use_proxy || is_loopback(request.url)) set(CURLOPT_NOPROXY, "*");

  set(CURLOPT_OPENSOCKETFUNCTION, &Channel::open_socket);
  set(CURLOPT_OPENSOCKETDATA, this);
  set(CURLOPT_CLOSESOCKETFUNCTION, &Channel::close_socket);
  set(CURLOPT_CLOSESOCKETDATA, this);
  set(CURLOPT_WRITEFUNCTION, write_body);
  set(CURLOPT_WRITEDATA, &exchange);
  set(CURLOPT_HEADERFUNCTION, write_header);
  set(CURLOPT_HEADERDATA, &exchange);
  set(CURLOPT_PREREQFUNCTION, before_request);
  set(CURLOPT_PREREQDATA, &exchange);
  // A wish: libcurl refuses it where a former transfer ended before it had a connection (a name
  // that could not be resolved), because that one's buffer is still there.
  curl_easy_setopt(easy_, CURLOPT_BUFFERSIZE,
                   exchange.wants_range() ? kRangeBuffer : kAnswerBuffer);
  set_up_method(exchange);
  set_up_headers(options, request);
  if (request.url.scheme == "https") set_up_tls(options);
}

void Channel::set_up_method(Exchange& exchange) {
  const Request& request = exchange.request();
  if (!is_token(request.method)) throw Error(Code::internal, "malformed method");
  if (request.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
    return;
  }
  const bool writes =
      request.method == "PUT" || request.method == "POST" || request.method == "PATCH";
  if (request.body.empty() && !writes) {
    if (request.method != "GET") set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    return;
  }
  set(CURLOPT_UPLOAD, 1L);
  set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  const BodyStream* const stream = exchange.stream();
  const std::optional<std::uint64_t> size =
      stream != nullptr ? stream->size : std::uint64_t{request.body.size()};
  set(CURLOPT_INFILESIZE_LARGE, size ? static_cast<curl_off_t>(*size) : curl_off_t{-1});
  set(CURLOPT_UPLOAD_BUFFERSIZE, kUploadBuffer);
  set(CURLOPT_READFUNCTION, read_body);
  set(CURLOPT_READDATA, &exchange);
  set(CURLOPT_SEEKFUNCTION, seek_body);
  set(CURLOPT_SEEKDATA, &exchange);
}

void Channel::set_up_tls(const ClientOptions& options) {
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options.verify_tls) {
    set(CURLOPT_SSL_VERIFYPEER, 0L);
    set(CURLOPT_SSL_VERIFYHOST, 0L);
    return;
  }
  std::string bundle = ca_bundle(options);
  if (bundle.empty()) bundle = system_bundle();
  if (bundle.empty()) return;
  std::error_code none;
  const bool folder = std::filesystem::is_directory(bundle, none);
  set(folder ? CURLOPT_CAPATH : CURLOPT_CAINFO, bundle.c_str());
}

void Channel::set_up_headers(const ClientOptions& options, const Request& request) {
  fields_.reset();
  const auto append = [this](const std::string& line) {
    curl_slist* list = curl_slist_append(fields_.get(), line.c_str());
    if (list == nullptr) throw std::bad_alloc();
    static_cast<void>(fields_.release());
    fields_.reset(list);
  };
  for (const auto& [name, value] : request.headers.fields()) {
    if (!is_token(name)) throw Error(Code::internal, "malformed name of a header field");
    if (has_control(value))
      throw Error(Code::usage, "the value for the header field " + name + " has control characters")
          .hint("is there a line break in a token or password?");
    append(value.empty() ? name + ";" : name + ": " + value);
  }
  if (!request.headers.has("Accept-Encoding")) append("Accept-Encoding: identity");
  append("Expect:");
  if (!request.headers.has("User-Agent")) {
    const std::string& agent = options.user_agent;
    set(CURLOPT_USERAGENT, agent.empty() ? "dray/" DRAY_VERSION : agent.c_str());
  }
  set(CURLOPT_HTTPHEADER, fields_.get());
}

}  // namespace dray::http
