// Reading blobs.
#include <fmt/format.h>

#include "dray/base/digest.h"
#include "dray/http/excerpt.h"
#include "dray/http/headers.h"
#include "dray/oci/client_impl.h"

namespace dray::oci {

namespace {

constexpr int kMostHops = 5;
constexpr std::size_t kMostLinks = 256;

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// How a storage host says that a signed link is over.
bool is_refusal(int status) {
  return status == 400 || status == 401 || status == 403 || status == 404 || status == 410;
}

}  // namespace

std::optional<std::uint64_t> Client::blob_size(const std::string& digest,
                                               const std::stop_token& stop) {
  check_digest(digest, name());
  http::Request request = impl_->request("HEAD", impl_->url("blobs/" + digest), "look for", digest);
  http::Response response = impl_->send_with_retry(request, stop);
  for (int hop = 0; is_redirect(response.status) && hop < kMostHops; ++hop) {
    // Links are signed for GET; that there is one is answer enough, but it has no size.
    request.url = impl_->follow(request.url, response);
    if (!impl_->at_registry(request.url)) {
      http::Request get = impl_->request("GET", impl_->url("blobs/" + digest), "look for", digest);
      std::byte byte{};
      response = impl_->get_blob(
          digest,
          [&](const http::Request& r) {
            return impl_->http.send_range(r, {{0, 1}, {&byte, 1}, std::nullopt}, stop);
          },
          stop);
      const auto range =
          http::parse_content_range(response.headers.get("Content-Range").value_or(""));
      if (response.status == 206 && range && range->total) return range->total;
      if (response.status == 416) return 0;
      break;
    }
    response = impl_->send_with_retry(request, stop);
  }
  if (response.status == 404) return std::nullopt;
  if (response.status / 100 != 2) throw impl_->refusal(request, response);
  const auto size = parse_u64(response.headers.get("Content-Length").value_or(""));
  if (!size)
    throw Error(Code::malformed, "the registry does not say how large it is")
        .on("look for", request.object)
        .from(impl_->options.side);
  return size;
}

/// One try at the remembered link, or from the registry on.
http::Response Client::Impl::get_blob(const std::string& digest, const Send& send_to,
                                      const std::stop_token& stop) {
  for (bool again = false;; again = true) {
    std::optional<http::Url> remembered;
    {
      const std::lock_guard lock(mutex);
      if (const auto found = links.find(digest); found != links.end()) remembered = found->second;
    }
    http::Request asked =
        request("GET", remembered ? *remembered : url("blobs/" + digest), "read", digest);
    bool left = remembered.has_value();
    http::Response response = left ? send_to(asked) : send(asked, send_to, stop);
    for (int hop = 0; is_redirect(response.status); ++hop) {
      if (hop == kMostHops)
        throw Error(Code::malformed, "redirected in a circle")
            .on("read", asked.object)
            .from(options.side);
      asked.url = follow(asked.url, response);
      asked.headers.remove("Authorization");
      left = left || !at_registry(asked.url);
      // Once the way has left the registry there are no credentials any more.
      response = left ? send_to(asked) : send(asked, send_to, stop);
    }
    if (left) {
      const std::lock_guard lock(mutex);
      if (links.size() >= kMostLinks) links.clear();
      if (is_refusal(response.status))
        links.erase(digest);
      else
        links.insert_or_assign(digest, asked.url);
    }
    if (left && is_refusal(response.status)) {
      if (remembered && !again) continue;
      throw Error(Code::server,
                  "the storage host refuses the link that the registry has just given")
          .on("read", asked.object)
          .from(options.side)
          .http(response.status, "", http::request_id(response.headers))
          .transient();
    }
    if (response.status / 100 != 2 && response.status != 416) throw refusal(asked, response);
    return response;
  }
}

void Client::read_blob(const std::string& digest, std::uint64_t size, std::uint64_t offset,
                       MutableBytes out, const std::stop_token& stop) {
  if (out.empty()) return;
  const http::RangeInto into{{offset, out.size()}, out, size};
  const http::Response response = impl_->get_blob(
      digest, [&](const http::Request& r) { return impl_->http.send_range(r, into, stop); }, stop);
  if (response.received == out.size()) return;
  if (response.status == 200)
    throw Error(Code::unsupported, "the registry gives blobs only from their beginning")
        .on("read", name() + "@" + digest)
        .from(impl_->options.side);
  throw Error(Code::malformed,
              fmt::format("the registry answers {} to a range within the blob", response.status))
      .on("read", name() + "@" + digest)
      .from(impl_->options.side);
}

std::string Client::small_blob(const Descriptor& blob, std::uint64_t limit,
                               const std::stop_token& stop) {
  const std::string object = name() + "@" + blob.digest;
  if (blob.size > limit)
    throw Error(Code::malformed, fmt::format("it has {}, more than the limit of {}",
                                             human_size(blob.size), human_size(limit)))
        .on("read", object)
        .from(impl_->options.side);
  http::Retrier retrier(impl_->options.retry);
  for (;;) {
    try {
      std::string text = impl_
                             ->get_blob(
                                 blob.digest,
                                 [&](const http::Request& r) {
                                   return impl_->http.send(r, stop, {.bytes = blob.size});
                                 },
                                 stop)
                             .body;
      if (digest_of(text) == blob.digest) return text;
      throw Error(Code::verification, "the registry gives other bytes than its digest says")
          .on("read", object)
          .from(impl_->options.side);
    } catch (const Error& error) {
      retrier.failed(error, stop);
    }
  }
}

}  // namespace dray::oci
