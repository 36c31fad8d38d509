#include "dray/oci/answers.h"

#include <fmt/format.h>

#include <utility>

#include "dray/base/json.h"
#include "dray/http/excerpt.h"
#include "dray/http/retry.h"

namespace dray::oci {

namespace {

struct Told {
  std::string code, message;
};

Told told_by(const http::Response& response) {
  if (!response.body.starts_with('{')) return {};
  constexpr std::string_view kWhat = "error answer";
  try {
    const Json body = parse_json(response.body, kWhat, {.bytes = 256 << 10, .depth = 16});
    const Json& errors = get_array(body, "errors", kWhat);
    if (errors.empty() || !errors.front().is_object()) return {};
    return {http::clean_text(find_string(errors.front(), "code", kWhat).value_or(""), 60),
            http::clean_text(find_string(errors.front(), "message", kWhat).value_or(""), 200)};
  } catch (const Error&) {
    return {};  // the status tells enough
  }
}

/// Code, message and next step by what the registry said; nullopt when the status must do.
std::optional<Error> known_case(int status, const Told& told, const std::string& repository) {
  const std::string said = told.message.empty() ? "" : " (" + told.message + ")";
  if (told.code == "NAME_UNKNOWN")
    return Error(Code::not_found, "the registry has no such repository" + said)
        .hint("check the name " + repository + "; some registries want it created beforehand");
  if (told.code == "DIGEST_INVALID" || told.code == "BLOB_UPLOAD_INVALID")
    return Error(Code::verification,
                 "the registry got other bytes than were sent, by their digest" + said);
  if (status == 413 || told.code == "SIZE_INVALID")
    return Error(Code::storage,
                 "this is larger than the registry or a proxy before it takes" + said)
        .hint("raise the limit there (Quay: MAXIMUM_LAYER_SIZE; nginx: client_max_body_size)");
  if (told.code == "MANIFEST_BLOB_UNKNOWN")
    return Error(Code::conflict, "the registry misses something that the manifest names" + said)
        .hint("its clean-up may have run meanwhile: run the same command again");
  return std::nullopt;
}

}  // namespace

std::string error_code(const http::Response& response) { return told_by(response).code; }

Error answer_error(const http::Request& request, const http::Response& response,
                   const std::string& repository) {
  Error by_status = http::status_error(request, response);
  const Told told = told_by(response);
  auto known = by_status.retryable() ? std::nullopt : known_case(response.status, told, repository);
  if (!known) {
    if (told.code.empty()) return by_status;
    return std::move(by_status).http(response.status, told.code,
                                     http::request_id(response.headers));
  }
  return std::move(*known)
      .on(by_status.verb(), by_status.object())
      .from(by_status.side())
      .http(response.status, told.code, by_status.request_id());
}

}  // namespace dray::oci
