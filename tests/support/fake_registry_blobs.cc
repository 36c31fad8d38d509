// Blobs of a FakeRegistry, and the host where they are kept.
#include <algorithm>

#include "dray/http/url.h"
#include "tests/support/fake_registry_state.h"

namespace dray::test {

namespace {

/// "bytes=a-b", "bytes=a-" or "bytes=-n" within `size`; nullopt where it asks for nothing that is
/// there.
std::optional<ByteRange> read_range(std::string_view text, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!text.starts_with(kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos || size == 0) return std::nullopt;
  const auto first = parse_u64(text.substr(0, dash));
  const auto last = parse_u64(text.substr(dash + 1));
  if (!first && dash > 0) return std::nullopt;
  if (!first) {
    if (!last || *last == 0) return std::nullopt;
    const std::uint64_t length = std::min(*last, size);
    return ByteRange{size - length, length};
  }
  const std::uint64_t end = std::min(last.value_or(size - 1), size - 1);
  if (*first > end) return std::nullopt;
  return ByteRange{*first, end - *first + 1};
}

/// A blob, or the range of it that is asked for.
RawResponse blob_answer(const RegistryCall& call, const std::string& content) {
  RawResponse response;
  response.headers.emplace_back("Content-Type", "application/octet-stream");
  const std::string asked = call.header("range");
  if (call.options.quirks.ranges) response.headers.emplace_back("Accept-Ranges", "bytes");
  if (call.request->method == "HEAD") {
    response.headers.emplace_back("Content-Length", std::to_string(content.size()));
    return response;
  }
  if (asked.empty() || !call.options.quirks.ranges) {
    response.body = content;
    return response;
  }
  const std::string size = std::to_string(content.size());
  const auto range = read_range(asked, content.size());
  if (!range) {
    response.status = 416;
    response.headers.emplace_back("Content-Range", "bytes */" + size);
    return response;
  }
  response.status = 206;
  response.body = content.substr(range->offset, range->length);
  response.headers.emplace_back("Content-Range", "bytes " + std::to_string(range->offset) + "-" +
                                                     std::to_string(range->end() - 1) + "/" + size);
  return response;
}

}  // namespace

bool RegistryState::has_blob(const std::string& repository, const std::string& digest) const {
  const auto found = repositories.find(repository);
  return found != repositories.end() && found->second.blobs.contains(digest);
}

RawResponse RegistryState::get_blob(const RegistryCall& call) {
  if (!is_registry_digest(call.reference)) return FakeRegistry::error(400, "DIGEST_INVALID");
  if (!has_blob(call.repository, call.reference)) return FakeRegistry::error(404, "BLOB_UNKNOWN");
  const RegistryQuirks& quirks = call.options.quirks;
  if (call.op == RegistryOp::head_blob ? quirks.redirects_head : quirks.redirects)
    return redirect(call);
  RawResponse response = blob_answer(call, contents.at(call.reference));
  add_digest(call, call.reference, response);
  return response;
}

RawResponse RegistryState::redirect(const RegistryCall& call) {
  const RegistryQuirks& quirks = call.options.quirks;
  const std::string signature = "signature+" + std::to_string(next_link_++) + "=";
  Link link{call.reference, call.request->method, quirks.link_uses, 0};
  if (quirks.link_life.count() > 0) link.ends = call.now + quirks.link_life.count();
  links_[signature] = link;
  RawResponse response{.status = quirks.redirect_status};
  response.headers.emplace_back("Location", call.storage_url + "/blobs/" + call.reference +
                                                "?X-Signature=" + http::percent_encode(signature));
  add_digest(call, call.reference, response);
  return response;
}

RawResponse RegistryState::stored_blob(const RegistryCall& call) {
  const auto refuse = [](int status, const std::string& code) {
    RawResponse response{.status = status};
    response.headers.emplace_back("Content-Type", "application/xml");
    response.body = "<Error><Code>" + code + "</Code></Error>";
    return response;
  };
  // As S3 answers a signed link that comes with a token.
  if (!call.header("authorization").empty()) return refuse(400, "InvalidArgument");
  const auto found = links_.find(call.arg("X-Signature").value_or(""));
  if (found == links_.end()) return refuse(403, "AccessDenied");
  Link& link = found->second;
  const bool ended = (link.ends != 0 && call.now >= link.ends) || link.digest != call.reference ||
                     link.method != call.request->method;
  if (ended) return refuse(403, "AccessDenied");
  const auto content = contents.find(call.reference);
  if (content == contents.end()) return refuse(404, "NoSuchKey");
  if (link.uses_left > 0 && --link.uses_left == 0) links_.erase(found);
  return blob_answer(call, content->second);
}

RawResponse RegistryState::delete_blob(const RegistryCall& call) {
  if (!call.options.quirks.deletes || !call.options.quirks.deletes_blobs)
    return FakeRegistry::error(405, "UNSUPPORTED");
  if (!has_blob(call.repository, call.reference)) return FakeRegistry::error(404, "BLOB_UNKNOWN");
  repositories.at(call.repository).blobs.erase(call.reference);
  return {.status = 202};
}

}  // namespace dray::test
