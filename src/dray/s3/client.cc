#include "dray/s3/client.h"

#include <fmt/format.h>

#include <cstdlib>
#include <utility>

#include "dray/base/log.h"
#include "dray/base/path.h"
#include "dray/s3/client_impl.h"
#include "dray/s3/metadata.h"

namespace dray::s3 {

namespace {

/// A clock this far off explains a refusal that came without a code; servers allow 15 minutes.
constexpr std::int64_t kSuspectSkew = 300;
constexpr std::int64_t kSameClock = 30;
constexpr std::size_t kMaxKey = 1024;

http::ClientOptions http_options(const ClientOptions& options) {
  http::ClientOptions out;
  out.ca_file = options.endpoint.ca_file;
  out.verify_tls = options.endpoint.verify_tls;
  out.stall_timeout = options.stall_timeout;
  return out;
}

/// HEAD answers have no body and so no code.
bool unexplained(const Call& call, const ServiceError& error) {
  return call.method == "HEAD" && error.code.empty();
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 307 || status == 308;
}

bool same_place(const Endpoint& a, const Endpoint& b) {
  return a.region == b.region && a.url == b.url;
}

bool wrong_region(const Call& call, const http::Response& response, const ServiceError& error) {
  return is_redirect(response.status) || error.code == "PermanentRedirect" ||
         error.code == "TemporaryRedirect" || error.code == "AuthorizationHeaderMalformed" ||
         error.code == "IllegalLocationConstraintException" ||
         (response.status == 400 && unexplained(call, error));
}

bool token_refused(const Call& call, const http::Response& response, const ServiceError& error,
                   const Credentials& used) {
  return error.code == "ExpiredToken" || error.code == "ExpiredTokenException" ||
         error.code == "InvalidToken" || error.code == "TokenRefreshRequired" ||
         (response.status == 400 && unexplained(call, error) && !used.session_token.empty());
}

}  // namespace

ClientOptions client_options(const Settings& settings, std::string bucket, Environment env) {
  ClientOptions out;
  out.endpoint = resolve_endpoint(settings, env);
  out.bucket = std::move(bucket);
  if (!out.endpoint.anonymous) {
    CredentialsOptions credentials;
    credentials.settings = settings;
    credentials.env = std::move(env);
    out.credentials = find_credentials(std::move(credentials));
  }
  return out;
}

Client::Impl::Impl(ClientOptions given)
    : options(std::move(given)), http(http_options(options)), endpoint_(options.endpoint) {}

std::string Client::Impl::uri(std::string_view key) const {
  std::string out = "s3://" + options.bucket;
  if (!key.empty()) out += "/" + std::string(key);
  return out;
}

Endpoint Client::Impl::current_endpoint() const {
  const std::lock_guard lock(mutex_);
  return endpoint_;
}

Client::Impl::Attempt Client::Impl::send(const Call& call, const std::stop_token& stop) {
  Attempt out;
  out.endpoint = current_endpoint();
  const Endpoint& endpoint = out.endpoint;
  http::Request request{.method = call.method,
                        .url = call.service
                                   ? service_url(endpoint)
                                   : object_url(endpoint, options.bucket, call.key, call.query),
                        .headers = call.headers,
                        .body = call.body};
  request.side = options.side;
  request.verb = call.verb;
  request.object = uri(call.key);
  request.stall_timeout = call.patience;
  if (call.into != nullptr)  // as send_range writes it; set here so that it is signed
    request.headers.set(
        "Range", fmt::format("bytes={}-{}", call.into->range.offset, call.into->range.end() - 1));
  out.signed_at = now();
  if (call.sign && !endpoint.anonymous && options.credentials) {
    out.credentials = options.credentials->get(stop);
    const std::string payload =
        call.sign_body ? payload_hash(call.body) : std::string(kUnsignedPayload);
    sign(call.method, request.url, request.headers, payload,
         {.access_key_id = out.credentials->access_key_id,
          .secret_access_key = &out.credentials->secret_access_key,
          .session_token = &out.credentials->session_token,
          .region = endpoint.region,
          .service = "s3",
          .time = out.signed_at},
         keys_);
  }
  try {
    out.response = call.into != nullptr ? http.send_range(request, *call.into, stop)
                                        : http.send(request, stop, {.bytes = call.limit});
  } catch (const Error& e) {
    if (e.retry() == Retry::ambiguous && call.repeatable) throw Error(e).transient();
    throw;
  }
  return out;
}

http::Response Client::Impl::exchange(const Call& call, const std::stop_token& stop) {
  bool clock = true, token = true, region = true;  // what may still be put right
  while (true) {
    Attempt attempt = send(call, stop);
    if (attempt.response.status / 100 == 2) return std::move(attempt.response);
    const ServiceError error = service_error(attempt.response);
    if (clock && correct_clock(call, attempt, error))
      clock = false;
    else if (region && learn_region(call, attempt, error, stop))
      region = false;
    else if (token && renew_credentials(call, attempt, error, stop))
      token = false;
    else
      return std::move(attempt.response);
  }
}

bool Client::Impl::correct_clock(const Call& call, const Attempt& attempt,
                                 const ServiceError& error) {
  const auto date = parse_http_date(attempt.response.headers.get("date").value_or(""));
  if (!date) return false;
  const std::int64_t skew = *date - attempt.signed_at;
  const bool told = error.code == "RequestTimeTooSkewed" || error.code == "RequestExpired";
  const bool suspected = unexplained(call, error) &&
                         (attempt.response.status == 403 || attempt.response.status == 400) &&
                         std::abs(skew) > kSuspectSkew;
  if ((!told && !suspected) || skew == 0) return false;
  const std::int64_t offset = *date - options.now();
  // Requests in flight learn the same; one says so.
  if (std::abs(clock_offset_.exchange(offset) - offset) > kSameClock)
    warn("this machine's clock is {} s {} the S3 service's; requests are signed with its time",
         std::abs(skew), skew > 0 ? "behind" : "ahead of");
  return true;
}

bool Client::Impl::renew_credentials(const Call& call, const Attempt& attempt,
                                     const ServiceError& error, const std::stop_token& stop) {
  if (!attempt.credentials || !token_refused(call, attempt.response, error, *attempt.credentials))
    return false;
  options.credentials->expired(*attempt.credentials);
  try {
    const auto fresh = options.credentials->get(stop);
    return fresh->session_token.reveal() != attempt.credentials->session_token.reveal() ||
           fresh->access_key_id != attempt.credentials->access_key_id;
  } catch (const Error& e) {
    if (e.code() == Code::cancelled) throw;
    throw failure(call, error, attempt.response).because(e);
  }
}

bool Client::Impl::learn_region(const Call& call, const Attempt& attempt, const ServiceError& error,
                                const std::stop_token& stop) {
  if (!wrong_region(call, attempt.response, error)) return false;
  std::string region = error.region;
  if (region.empty() && call.sign && is_redirect(attempt.response.status))
    region = ask_region(stop);
  if (region.empty()) return false;
  Endpoint moved = in_region(attempt.endpoint, region);
  if (same_place(moved, attempt.endpoint)) return false;
  const std::lock_guard lock(mutex_);
  if (same_place(moved, endpoint_)) return true;  // another thread has learned it meanwhile
  info("bucket {} is in region {}", options.bucket, moved.region);
  endpoint_ = std::move(moved);
  return true;
}

/// Amazon states a bucket's region to anybody. Not asked elsewhere: a redirect there means another
/// thing.
std::string Client::Impl::ask_region(const std::stop_token& stop) {
  if (!current_endpoint().aws) return "";
  const Call call{.method = "HEAD", .verb = "find the region of", .sign = false};
  return send(call, stop).response.headers.get("x-amz-bucket-region").value_or("");
}

http::Response Client::Impl::succeed(const Call& call, const std::stop_token& stop) {
  http::Response response = exchange(call, stop);
  if (response.status / 100 != 2) throw failure(call, service_error(response), response);
  return response;
}

Error Client::Impl::failure(const Call& call, const ServiceError& error,
                            const http::Response& response) const {
  Error out = make_error(error, response, options.side, call.verb, uri(call.key));
  if (out.code() != Code::auth || !options.credentials) return out;
  return Error(out).hint(
      fmt::format("{}; the credentials come from: {}", out.hint(), options.credentials->origin()));
}

Error Client::Impl::nonsense(const Call& call, std::string message) const {
  Error out = Error(Code::malformed, std::move(message))
                  .on(call.verb, uri(call.key))
                  .from(options.side)
                  .hint("does a proxy between here and the service change its answers?");
  return call.repeatable ? std::move(out).transient() : std::move(out).ambiguous();
}

XmlNode Client::Impl::document(const Call& call, const http::Response& response,
                               std::string_view root) const {
  auto node = try_parse_xml(response.body, {.bytes = call.limit});
  if (!node) throw nonsense(call, "the answer ends before it says whether it was done");
  if (node->name == "Error") throw failure(call, service_error(response), response);
  if (node->name != root)
    throw nonsense(call, fmt::format("the answer is <{}> and not <{}>", node->name, root));
  return std::move(*node);
}

std::string Client::Impl::required_etag(const Call& call, const http::Response& response) const {
  const std::string etag = response.headers.get("etag").value_or("");
  if (etag.empty()) throw nonsense(call, "the answer has no ETag");
  return etag;
}

std::optional<Checksum> stated_checksum(const http::Headers& headers) {
  const auto type = headers.get("x-amz-checksum-type");
  if (type && *type != "FULL_OBJECT") return std::nullopt;
  for (const ChecksumKind kind : kChecksumKinds)
    if (const auto text = headers.get(checksum_header(kind)))
      if (auto checksum = parse_checksum(kind, *text)) return checksum;
  return std::nullopt;
}

std::optional<Checksum> stated_checksum(const XmlNode& node) {
  for (const ChecksumKind kind : kChecksumKinds)
    if (auto checksum = parse_checksum(kind, node.get(checksum_element(kind)))) return checksum;
  return std::nullopt;
}

std::string stated_composite(const http::Headers& headers) {
  for (const ChecksumKind kind : kChecksumKinds)
    if (auto text = headers.get(checksum_header(kind));
        text && text->find('-') != std::string::npos)
      return std::move(*text);
  return "";
}

ObjectInfo object_of(const std::string& key, const http::Headers& headers) {
  constexpr std::string_view kMeta = "x-amz-meta-";
  ObjectInfo out;
  out.key = key;
  out.etag = headers.get("etag").value_or("");
  out.checksum = stated_checksum(headers);
  if (!out.checksum) out.composite = stated_composite(headers);
  out.content_type = headers.get("content-type").value_or("");
  out.version_id = headers.get("x-amz-version-id").value_or("");
  out.last_modified = parse_http_date(headers.get("last-modified").value_or(""));
  out.server_time = parse_http_date(headers.get("date").value_or(""));
  for (const auto& [name, value] : headers.fields()) {
    std::string lower = name;
    for (char& c : lower)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (lower.starts_with(kMeta))
      out.metadata.emplace_back(lower.substr(kMeta.size()), decode_metadata(value));
  }
  return out;
}

void add_metadata(http::Headers& headers, const std::string& content_type, const Metadata& metadata,
                  const HeaderList& more) {
  headers.set("Content-Type", content_type);
  for (const auto& [name, value] : metadata) {
    check_metadata_name(name);
    headers.set("x-amz-meta-" + name, encode_metadata(value));
  }
  for (const auto& [name, value] : more) headers.set(name, value);
}

std::string decode_listed(const std::string& text, bool encoded) {
  if (!encoded) return text;
  // Amazon and MinIO write a space as '+', and '+' as %2B.
  std::string spaced = text;
  for (char& c : spaced)
    if (c == '+') c = ' ';
  return http::percent_decode(spaced).value_or(text);
}

std::uint64_t number_of(const XmlNode& node, std::string_view name, std::string_view what) {
  const auto value = parse_u64(node.get(name));
  if (!value)
    throw Error(Code::malformed, fmt::format("{} is missing or not a number", name))
        .on("read", std::string(what));
  return *value;
}

void check_key(const std::string& key) {
  if (key.empty() || key.size() > kMaxKey || !valid_utf8(key))
    throw Error(Code::usage, "an S3 key is 1 to 1024 bytes of UTF-8").on("use", key.substr(0, 200));
}

Client::Client(ClientOptions options) {
  check_bucket_name(options.bucket);
  impl_ = std::make_unique<Impl>(std::move(options));
}
Client::~Client() = default;

const std::string& Client::bucket() const { return impl_->options.bucket; }
Endpoint Client::endpoint() const { return impl_->current_endpoint(); }
std::string Client::uri(std::string_view key) const { return impl_->uri(key); }

std::string Client::head_bucket(const std::stop_token& stop) {
  const Call call{.method = "HEAD", .verb = "open"};
  return impl_->retried(stop, [&]() -> std::string {
    const http::Response response = impl_->exchange(call, stop);
    ServiceError error = service_error(response);
    if (response.status / 100 == 2) return error.region;
    if (response.status == 404 && error.code.empty()) {
      error.code = "NoSuchBucket";
      error.message = "there is no such bucket";
    }
    // HEAD cannot say what is wrong with the request; a list can.
    if (error.code.empty() && response.status >= 400 && response.status <= 403)
      impl_->succeed({.verb = "open", .query = {{"list-type", "2"}, {"max-keys", "1"}}}, stop);
    throw impl_->failure(call, error, response);
  });
}

std::vector<std::string> Client::list_buckets(const std::stop_token& stop) {
  const Call call{.verb = "list the buckets beside", .service = true};
  const XmlNode result =
      impl_->document(call, impl_->succeed(call, stop), "ListAllMyBucketsResult");
  std::vector<std::string> out;
  if (const XmlNode* buckets = result.child("Buckets"))
    for (const XmlNode& bucket : buckets->children)
      if (bucket.name == "Bucket") out.push_back(bucket.get("Name"));
  return out;
}

void Client::create_bucket(const std::stop_token& stop) {
  std::string body;
  if (const std::string region = impl_->current_endpoint().region; region != "us-east-1")
    body =
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<LocationConstraint>" +
        xml_escape(region) + "</LocationConstraint></CreateBucketConfiguration>";
  const Call call{.method = "PUT", .verb = "create", .body = as_bytes(body)};
  impl_->retried(stop, [&] {
    const http::Response response = impl_->exchange(call, stop);
    const ServiceError error = service_error(response);
    if (response.status / 100 != 2 && error.code != "BucketAlreadyOwnedByYou")
      throw impl_->failure(call, error, response);
  });
}

std::string Client::presign_get(const std::string& key, std::chrono::seconds valid,
                                const std::stop_token& stop) {
  check_key(key);
  const Endpoint endpoint = impl_->current_endpoint();
  const http::Url url = object_url(endpoint, impl_->options.bucket, key, {});
  if (endpoint.anonymous || !impl_->options.credentials) return url.text();
  const auto credentials = impl_->options.credentials->get(stop);
  std::int64_t seconds = valid.count();
  // A URL signed with a session token dies with the token: do not promise more.
  if (credentials->expires) seconds = std::min(seconds, *credentials->expires - impl_->now());
  SigningKeys keys;
  return presign("GET", url, seconds,
                 {.access_key_id = credentials->access_key_id,
                  .secret_access_key = &credentials->secret_access_key,
                  .session_token = &credentials->session_token,
                  .region = endpoint.region,
                  .service = "s3",
                  .time = impl_->now()},
                 keys);
}

}  // namespace dray::s3
