// Uploads: begun by POST, filled by PATCH, ended by PUT.
#include <fmt/format.h>

#include <algorithm>

#include "dray/base/log.h"
#include "dray/oci/answers.h"
#include "dray/oci/client_impl.h"

namespace dray::oci {

namespace {

// Answers take longer than bytes: some registries hash, or put what they were sent together, before
// they say anything.
constexpr int kSlowStart = 4, kSlowEnd = 20;

/// Registries disagree about the status of a chunk that was taken.
bool is_taken(int status) {
  return status == 200 || status == 201 || status == 202 || status == 204;
}

/// "0-1023" or "bytes=0-1023" → 1024; nullopt if it says nothing of the kind. "0-0" is what
/// registries say of nothing, too: 0, since a single byte is not worth keeping.
std::optional<std::uint64_t> size_by_range(std::string_view text) {
  if (text.starts_with("bytes=")) text.remove_prefix(6);
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = parse_u64(text.substr(0, dash)), last = parse_u64(text.substr(dash + 1));
  if (first != 0 || !last || *last >= UINT64_MAX) return std::nullopt;
  return *last == 0 ? 0 : *last + 1;
}

http::Url with_digest(http::Url location, const std::string& digest) {
  location.query += location.query.empty() ? "" : "&";
  location.query += "digest=" + http::percent_encode(digest);
  return location;
}

}  // namespace

void Client::Impl::moved_on(UploadSession& session, const http::Url& asked,
                            const http::Response& response) {
  if (response.headers.has("Location")) session.location = follow(asked, response);
  if (const auto least = parse_u64(response.headers.get("OCI-Chunk-Min-Length").value_or("")))
    session.chunk_min = *least;
}

bool Client::mount(const std::string& digest, const std::string& from_repository,
                   const std::stop_token& stop) {
  check_digest(digest, name());
  http::Url url = impl_->url("blobs/uploads/");
  url.query = fmt::format("mount={}&from={}", http::percent_encode(digest),
                          http::percent_encode(from_repository));
  http::Request request = impl_->request("POST", url, "mount", digest);
  request.repeatable = true;
  // Without the right to read there the registry takes it for a plain upload.
  const http::Response response =
      impl_->send_with_retry(request, stop, {}, Scopes::repository(from_repository, "pull"));
  if (response.status == 201) return true;
  if (response.status == 202) {
    UploadSession session;
    impl_->moved_on(session, request.url, response);
    if (!session.location.host.empty()) cancel_upload(session, stop);
    return false;
  }
  debug("{}: not mounted from {}: {}", digest, from_repository,
        impl_->refusal(request, response).what());
  return false;
}

UploadSession Client::begin_upload(const std::stop_token& stop) {
  http::Request request =
      impl_->request("POST", impl_->url("blobs/uploads/"), "begin an upload to", "");
  request.repeatable = true;  // leaves an empty upload behind, which registries clean up
  const http::Response response = impl_->send_with_retry(request, stop);
  if (response.status != 202) throw impl_->refusal(request, response);
  UploadSession session;
  session.location = impl_->follow(request.url, response);
  impl_->moved_on(session, request.url, response);
  // Quay says "0--1" of nothing, and of anything else a byte more than it holds.
  if (response.headers.get("Range").value_or("").ends_with("--1")) session.excess = 1;
  return session;
}

void Client::patch_stream(UploadSession& session, const http::BodyStream& body,
                          const std::stop_token& stop) {
  http::Request request = impl_->request("PATCH", session.location, "upload to", "");
  request.headers.set("Content-Type", "application/octet-stream");
  request.fresh_connection = true;  // what was given cannot be given again
  request.stall_timeout = kSlowStart * impl_->options.http.stall_timeout;
  const http::Response response = impl_->send(
      request, [&](const http::Request& r) { return impl_->http.send_body(r, body, stop); }, stop,
      false);
  if (!is_taken(response.status)) throw impl_->refusal(request, response);
  impl_->moved_on(session, request.url, response);
}

void Client::patch_chunk(UploadSession& session, std::uint64_t offset, Bytes bytes,
                         const std::stop_token& stop) {
  http::Request request = impl_->request("PATCH", session.location, "upload to", "");
  request.headers.set("Content-Type", "application/octet-stream");
  request.headers.set("Content-Range", fmt::format("{}-{}", offset, offset + bytes.size() - 1));
  request.body = bytes;
  request.stall_timeout = kSlowStart * impl_->options.http.stall_timeout;
  const http::Response response = impl_->send(request, stop);
  if (!is_taken(response.status)) throw impl_->refusal(request, response);
  impl_->moved_on(session, request.url, response);
}

std::optional<std::uint64_t> Client::upload_size(UploadSession& session,
                                                 const std::stop_token& stop) {
  const http::Request request = impl_->request("GET", session.location, "look at an upload to", "");
  const http::Response response = impl_->send_with_retry(request, stop);
  if (response.status / 100 == 5 || response.status == 401 || response.status == 403)
    throw impl_->refusal(request, response);
  if (response.status != 204 && response.status != 200) return std::nullopt;
  impl_->moved_on(session, request.url, response);
  const auto size = size_by_range(response.headers.get("Range").value_or(""));
  return size ? std::optional(*size - std::min(*size, session.excess)) : size;
}

/// One try; what went wrong, unless the blob is there all the same.
std::optional<Error> Client::Impl::finish(Client& client, const UploadSession& session,
                                          const std::string& digest, std::uint64_t size, Bytes body,
                                          const std::stop_token& stop) {
  http::Request asked =
      request("PUT", with_digest(session.location, digest), "finish the upload of", digest);
  asked.headers.set("Content-Type", "application/octet-stream");
  asked.body = body;
  asked.repeatable = true;
  asked.stall_timeout = kSlowEnd * options.http.stall_timeout;
  std::optional<Error> failed;
  try {
    const http::Response response = send(asked, stop);
    if (response.status == 201 || response.status == 204) return std::nullopt;
    failed = refusal(asked, response);
  } catch (const Error& error) {
    failed = error;
  }
  // It may have come through, now or at an earlier try whose answer was lost.
  if (failed->code() == Code::cancelled || failed->code() == Code::auth) return failed;
  if (client.blob_size(digest, stop) == size) return std::nullopt;
  return failed;
}

void Client::finish_upload(UploadSession& session, const std::string& digest, std::uint64_t size,
                           Bytes body, const std::stop_token& stop) {
  if (const auto failed = impl_->finish(*this, session, digest, size, body, stop))
    throw Error(*failed);
}

void Client::put_blob(const std::string& digest, Bytes bytes, const std::stop_token& stop) {
  http::Retrier retrier(impl_->options.retry);
  for (;;) {
    const UploadSession session = begin_upload(stop);
    const auto failed = impl_->finish(*this, session, digest, bytes.size(), bytes, stop);
    if (!failed) return;
    retrier.failed(*failed, stop);
  }
}

void Client::cancel_upload(const UploadSession& session, const std::stop_token& stop) {
  try {
    impl_->send(impl_->request("DELETE", session.location, "cancel an upload to", ""), stop);
  } catch (const Error& error) {
    debug("{}", error.what());
  }
}

}  // namespace dray::oci
