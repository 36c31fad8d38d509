// Requests to a FakeRegistry, taken apart.
#include <algorithm>
#include <ostream>
#include <regex>

#include "dray/base/digest.h"
#include "dray/http/url.h"
#include "tests/support/fake_registry_state.h"

namespace dray::test {

namespace {

constexpr std::string_view kUploads = "/blobs/uploads/";

RegistryOp blob_operation(const std::string& method) {
  if (method == "HEAD") return RegistryOp::head_blob;
  if (method == "GET") return RegistryOp::get_blob;
  if (method == "DELETE") return RegistryOp::delete_blob;
  return RegistryOp::unknown;
}

RegistryOp manifest_operation(const std::string& method) {
  if (method == "HEAD") return RegistryOp::head_manifest;
  if (method == "GET") return RegistryOp::get_manifest;
  if (method == "PUT") return RegistryOp::put_manifest;
  if (method == "DELETE") return RegistryOp::delete_manifest;
  return RegistryOp::unknown;
}

RegistryOp upload_operation(const std::string& method, const RegistryCall& call) {
  if (call.reference.empty()) {
    if (method != "POST") return RegistryOp::unknown;
    if (call.arg("mount")) return RegistryOp::mount_blob;
    return call.arg("digest") ? RegistryOp::post_blob : RegistryOp::start_upload;
  }
  if (method == "GET" || method == "HEAD") return RegistryOp::upload_status;
  if (method == "PATCH") return RegistryOp::patch_upload;
  if (method == "PUT") return RegistryOp::finish_upload;
  if (method == "DELETE") return RegistryOp::cancel_upload;
  return RegistryOp::unknown;
}

/// Splits `path` (behind "/v2/") at the last `middle`; false if it is not there.
bool split(const std::string& path, std::string_view middle, RegistryCall& call) {
  const std::size_t at = path.rfind(middle);
  if (at == std::string::npos) return false;
  call.repository = path.substr(0, at);
  call.reference = path.substr(at + middle.size());
  return call.reference.find('/') == std::string::npos;
}

void read_registry_path(const std::string& path, const std::string& method, RegistryCall& call) {
  if (path.empty())
    call.op = method == "GET" || method == "HEAD" ? RegistryOp::ping : RegistryOp::unknown;
  else if (split(path, kUploads, call))
    call.op = upload_operation(method, call);
  else if (split(path, "/blobs/", call))
    call.op = blob_operation(method);
  else if (split(path, "/manifests/", call))
    call.op = manifest_operation(method);
  else if (split(path, "/referrers/", call) && method == "GET")
    call.op = RegistryOp::list_referrers;
  else if (split(path, "/tags/", call) && call.reference == "list" && method == "GET")
    call.op = RegistryOp::list_tags;
}

}  // namespace

std::optional<std::string> RegistryCall::arg(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return std::nullopt;
}

std::optional<std::uint64_t> RegistryCall::content_length() const {
  return parse_u64(header("content-length"));
}

RegistryCall read_call(const RawRequest& request, RegistryRequest::Host host) {
  RegistryCall call;
  call.request = &request;
  call.host = host;
  call.query = http::parse_query(request.query);
  const std::string path = http::percent_decode(request.path).value_or("");
  using Host = RegistryRequest::Host;
  if (path == "/token" && host != Host::storage &&
      (request.method == "GET" || request.method == "POST")) {
    call.op = RegistryOp::get_token;
  } else if (path.starts_with("/v2/") && host != Host::tokens) {
    read_registry_path(path.substr(4), request.method, call);
    const bool upload = path.find(kUploads) != std::string::npos;
    if (host == Host::storage && !upload) call.op = RegistryOp::unknown;
  } else if (path.starts_with("/blobs/") && host == Host::storage &&
             (request.method == "GET" || request.method == "HEAD")) {
    call.op = RegistryOp::stored_blob;
    call.reference = path.substr(7);
  }
  return call;
}

std::string_view name_of(RegistryOp op) {
  switch (op) {
    case RegistryOp::unknown:
      return "unknown";
    case RegistryOp::ping:
      return "ping";
    case RegistryOp::get_token:
      return "get_token";
    case RegistryOp::head_blob:
      return "head_blob";
    case RegistryOp::get_blob:
      return "get_blob";
    case RegistryOp::delete_blob:
      return "delete_blob";
    case RegistryOp::stored_blob:
      return "stored_blob";
    case RegistryOp::start_upload:
      return "start_upload";
    case RegistryOp::mount_blob:
      return "mount_blob";
    case RegistryOp::post_blob:
      return "post_blob";
    case RegistryOp::patch_upload:
      return "patch_upload";
    case RegistryOp::upload_status:
      return "upload_status";
    case RegistryOp::finish_upload:
      return "finish_upload";
    case RegistryOp::cancel_upload:
      return "cancel_upload";
    case RegistryOp::head_manifest:
      return "head_manifest";
    case RegistryOp::get_manifest:
      return "get_manifest";
    case RegistryOp::put_manifest:
      return "put_manifest";
    case RegistryOp::delete_manifest:
      return "delete_manifest";
    case RegistryOp::list_tags:
      return "list_tags";
    case RegistryOp::list_referrers:
      return "list_referrers";
  }
  return "?";
}

void PrintTo(RegistryOp op, std::ostream* out) { *out << name_of(op); }

std::string RegistryRequest::header(std::string_view name) const {
  for (const auto& [field, value] : headers)
    if (field == name) return value;
  return "";
}

std::optional<std::string> RegistryRequest::parameter(std::string_view name) const {
  for (const auto& [key, value] : http::parse_query(query))
    if (key == name) return value;
  return std::nullopt;
}

bool is_registry_digest(std::string_view text) {
  constexpr std::string_view kPrefix = "sha256:";
  return text.starts_with(kPrefix) && text.size() == kPrefix.size() + 64 &&
         text.substr(kPrefix.size()).find_first_not_of("0123456789abcdef") ==
             std::string_view::npos;
}

bool is_registry_tag(std::string_view text) {
  static const std::regex kTag("[A-Za-z0-9_][A-Za-z0-9._-]{0,127}");
  return text.size() <= 128 && std::regex_match(text.begin(), text.end(), kTag);
}

bool is_registry_name(std::string_view text) {
  static const std::regex kName(
      "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*");
  return text.size() <= 255 && std::regex_match(text.begin(), text.end(), kName);
}

RawResponse registry_json(const Json& body, const std::string& type) {
  RawResponse response;
  response.headers.emplace_back("Content-Type", type);
  response.body = dump_json(body);
  return response;
}

void add_digest(const RegistryCall& call, const std::string& digest, RawResponse& response) {
  if (call.options.quirks.digest_header)
    response.headers.emplace_back("Docker-Content-Digest", digest);
}

RawResponse FakeRegistry::error(int status, std::string_view code, const std::string& message,
                                const std::string& detail_json) {
  RawResponse response =
      registry_json({{"errors", Json::array({{{"code", std::string(code)},
                                              {"message", message},
                                              {"detail", Json::parse(detail_json)}}})}});
  response.status = status;
  return response;
}

std::string FakeRegistry::digest_of(std::string_view content) {
  return "sha256:" + Sha256::hex_of(as_bytes(content));
}

}  // namespace dray::test
