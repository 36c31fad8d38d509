// What a FakeRegistry is told to do wrong, and what it notes of each request.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/raw_server.h"

namespace dray::test {

enum class RegistryOp {
  unknown,
  ping,       // GET /v2/
  get_token,  // GET or POST at the token endpoint
  head_blob,
  get_blob,
  delete_blob,
  stored_blob,  // a signed link at the storage host
  start_upload,
  mount_blob,  // POST with mount
  post_blob,   // POST with digest
  patch_upload,
  upload_status,
  finish_upload,
  cancel_upload,
  head_manifest,
  get_manifest,
  put_manifest,
  delete_manifest,
  list_tags,
  list_referrers,
};
std::string_view name_of(RegistryOp op);
void PrintTo(RegistryOp op, std::ostream* out);

/// Strikes at requests of one operation; several faults may strike at one request. Whatever is set
/// happens; without a `status` the request is carried out.
struct RegistryFault {
  RegistryOp op = RegistryOp::unknown;
  int skip = 0;            // so many pass before it strikes
  int times = 1;           // and so many are struck
  std::string repository;  // only requests for this one; "" = any
  std::string target;      // only those whose path or query has this text

  /// Before the request is looked at: its upload is forgotten, all tokens are void.
  bool forget_upload = false;
  bool expire_tokens_before = false;
  /// Called when the request has come whole, before it is carried out; may wait.
  std::function<void(const RawRequest&)> before;
  /// Answered instead of carrying it out, with an errors document of `code`.
  int status = 0;
  std::string code = "UNKNOWN";
  std::optional<int> retry_after;  // seconds
  /// The request's body: RST, or no reading, behind so many bytes. What came counts as the quirks
  /// say (`after_cut`); nothing is answered.
  std::optional<std::uint64_t> cut_body, stall_body;

  /// The answer: not sent (RST, or silence until the peer goes away), HTML instead of its body, …
  bool lose_answer = false;
  bool silent = false;
  bool html = false;
  /// … or broken inside its body, as in RawResponse.
  std::optional<std::uint64_t> reset_after, close_after, stall_after, flip_at;
  std::function<void(const RawRequest&, RawResponse&)> change;
  /// After it was carried out all tokens are void.
  bool expire_tokens = false;
};

/// A request as it came, in order of arrival.
struct RegistryRequest {
  enum class Host { registry, storage, tokens };
  Host host = Host::registry;
  RegistryOp op = RegistryOp::unknown;
  std::string method, path, query;
  std::string repository;
  std::string reference;  // tag, digest or upload id
  /// Names lower-case; without Authorization.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string authorization;     // its scheme: "Basic", "Bearer", "" = there was none
  std::uint64_t body_bytes = 0;  // received
  bool complete = false;         // the body came whole (and was not thrown away)
  bool refused = false;          // answered without looking at the body
  int status = 0;                // of the answer; 0 = none was sent
  std::string header(std::string_view name) const;  // "" if absent
  /// Decoded; nullopt if absent.
  std::optional<std::string> parameter(std::string_view name) const;
};

/// What was asked at the token endpoint.
struct RegistryTokenRequest {
  std::string method, service;
  std::vector<std::string> scopes;  // "repository:NAME:pull,push", one entry each
  std::string user;                 // "" = anonymous, or a refresh token
  std::vector<std::string> granted;
  int status = 0;
};

}  // namespace dray::test
