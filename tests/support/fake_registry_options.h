// How a FakeRegistry behaves: what registries in use do differently, and whom it lets in.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace dray::test {

/// What an upload holds after the connection ended inside a body.
enum class AfterCut {
  keeps_bytes,  // all that came
  loses_bytes,  // what it had before that request
  is_gone,      // nothing: the session is unknown from then on (zot)
};

/// The `_state` of a Location names the offset that it is for. What happens to a request with
/// another one:
enum class StateCheck {
  ignored,  // Locations have no query
  refused,  // 416 to all but GET, which needs no state (distribution v3)
  cancels,  // 404 BLOB_UPLOAD_INVALID, and the session is gone (docker-registry 2.8)
};

/// The default is what the distribution specification asks for, everything optional included, and
/// nothing more. The static functions are registries in use.
struct RegistryQuirks {
  // Upload sessions.
  AfterCut after_cut = AfterCut::keeps_bytes;
  bool cut_put_ends_upload = false;  // whatever `after_cut` says (Quay)
  StateCheck state = StateCheck::refused;
  bool relative_locations = false;
  bool uploads_elsewhere = false;     // Locations of uploads name the storage host
  std::string start_range = "0-0";    // Range of the answer to POST; "" = none
  std::string status_prefix;          // of the Range of GET status: "bytes="
  std::uint64_t status_excess = 0;    // added to the last offset in GET status and 416
  bool status_location = true;        // Location in GET status
  int status_status = 204;            // another one: GET status is refused with it
  int patch_status = 202;             // of a PATCH that was taken
  bool content_range = true;          // of PATCH and PUT is checked
  bool skips_overlap = false;         // chunks may begin before the offset (but not at 0)
  std::size_t max_patches = 0;        // more are answered with `extra_patch_status`; 0 = no limit
  int extra_patch_status = 416;       // … 405 or 416
  std::uint64_t max_sized_patch = 0;  // larger Content-Lengths of a PATCH: 416; 0 = no limit
  std::uint64_t min_chunk = 0;        // OCI-Chunk-Min-Length; a PATCH behind a smaller one: 400
  std::uint64_t max_layer = 0;        // 413 beyond it; 0 = no limit
  std::uint64_t max_body = 0;         // of any request: 413 with a page of HTML; 0 = no limit
  bool mounts = true;                 // else 202 to every mount
  bool mount_needs_pull = true;  // a token without `pull` of the other repository: 401; else 202
  bool single_post = true;       // POST with digest and body; else 202, the body thrown away
  std::string bad_digest_code = "DIGEST_INVALID";
  bool early_refusals = true;  // refuses before the body is read; else behind it

  // Blobs, manifests, lists.
  bool digest_header = true;  // Docker-Content-Digest
  bool ranges = true;         // of blobs; else 200 with the whole
  bool redirects = false;     // GET of a blob: to a signed link at the storage host
  bool redirects_head = false;
  int redirect_status = 307;
  std::uint64_t link_uses = 0;        // a link answers 403 after so many; 0 = no limit
  std::chrono::seconds link_life{0};  // … so long; 0 = no limit
  bool checks_accept = true;          // a manifest of a type that Accept does not name: 404
  std::uint64_t max_manifest = 4 << 20;
  bool referrers = true;          // else 404 text/plain, and no OCI-Subject
  bool referrers_filters = true;  // artifactType; else all are listed
  bool tag_parameters = true;     // PUT of a manifest by digest with ?tag=…; else they are ignored
  bool deletes = true;            // else 405 to all of them (not to cancelling an upload)
  bool deletes_tags = true;
  bool deletes_blobs = true;
  bool creates_repositories = true;  // else 404 NAME_UNKNOWN to pushes into unknown ones
  std::size_t page = 0;              // most items of a page, whatever is asked for; 0 = no limit
  bool opaque_pages = false;         // pages are named by a token that only the Link header has
  bool null_tags = false;            // "tags": null where there are none

  /// No resume, no referrers, Content-Range ignored, single POST not supported.
  static RegistryQuirks docker28();
  /// distribution v3: an upload goes on after a cut; referrers unknown.
  static RegistryQuirks distribution3();
  /// The Range of GET status and 416 is one too high, without Location; repeated bytes are skipped.
  static RegistryQuirks quay(std::uint64_t max_layer = 0);
  /// As docker-registry 2.8, with referrers. See RegistryAuth::harbor too.
  static RegistryQuirks harbor();
  /// An upload is gone after a cut.
  static RegistryQuirks zot();
  /// No PATCH with a Content-Length above 4 MiB.
  static RegistryQuirks ghcr(std::uint64_t max_sized_patch = 4 << 20);
  /// PATCH answers 201; repositories must exist; chunks have a least size.
  static RegistryQuirks ecr(std::uint64_t min_chunk = 5 << 20);
  /// One PATCH an upload: the second is answered with `extra_patch_status`.
  static RegistryQuirks google();
  /// PATCH answers 200 (or 204).
  static RegistryQuirks artifactory(int patch_status = 200);
  /// Larger bodies are refused by the proxy.
  static RegistryQuirks cloudflare(std::uint64_t max_body = 100'000'000);
  /// `crane registry serve`: PATCH answers 204, GET status 400, nothing is mounted.
  static RegistryQuirks crane();
  /// GETs of blobs are redirected to another host.
  static RegistryQuirks redirecting();
};

struct RegistryAuth {
  enum class Kind { none, basic, bearer };
  Kind kind = Kind::none;
  std::string user = "robot";  // for Basic, and at the token endpoint
  std::string password = "registry-password";
  std::string service = "registry.test";

  // Bearer.
  bool own_host = false;               // the token endpoint has a port of its own
  std::string token_field = "token";   // or "access_token"
  std::uint64_t token_uses = 0;        // a token is good for so many requests; 0 = no limit
  std::chrono::seconds token_life{0};  // … so long; 0 = no limit
  std::optional<int> stated_life;      // expires_in; default: `token_life`, absent where 0
  bool checks_scopes = true;           // a token is good for its scopes only
  /// What the account may do, by repository; others: `default_grant`. Asking for more gives a token
  /// with less.
  std::map<std::string, std::string> grants;
  std::string default_grant = "pull,push,delete";
  /// Of tokens without credentials; "" = they are refused (401).
  std::string anonymous_grant;
  /// Taken by POST with grant_type=refresh_token; "" = POST is answered with 405.
  std::string refresh_token;
  bool cancel_needs_delete = false;  // DELETE of an upload wants the delete scope (docker-registry)

  static RegistryAuth basic();
  static RegistryAuth bearer();
  /// Tokens that end soon, and the scopes of docker-registry.
  static RegistryAuth harbor(std::uint64_t token_uses = 3);
};

struct RegistryOptions {
  RegistryQuirks quirks;
  RegistryAuth auth;
  std::function<std::int64_t()> now;  // seconds; default: this machine's clock
};

}  // namespace dray::test
