// One exchange with a registry's token service (distribution's docs/content/spec/auth/token.md and
// oauth.md).
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "dray/base/secret.h"
#include "dray/base/time.h"
#include "dray/http/client.h"
#include "dray/http/retry.h"
#include "dray/oci/credentials.h"
#include "dray/oci/scopes.h"

namespace dray::oci {

/// What is asked of whom.
struct TokenRequest {
  http::Url realm;
  std::string service;  // "" = not stated
  Scopes scopes;
  http::Url registry;  // whose challenge named the realm
  std::string host;    // the registry as users write it
  std::optional<Credentials> credentials;
  Side side = Side::none;
};

struct Token {
  Secret value;
  std::chrono::seconds life{0};  // from the answer on
  Secret identity_token;         // where the service replaced the one that was used
};

/// Gets a token: by POST with an identity token (where the service knows no POST, 404 or 405, by
/// GET with it as a password), else by GET, with user and password or without a name. Fewer rights
/// than asked for are no error here. What may pass is tried again as `retry` says. Redirects are
/// not followed. Throws Code::auth where the credentials are refused or would have to go where they
/// must not, Code::malformed for answers over 1 MiB or without a token.
Token fetch_token(http::Client& client, const TokenRequest& request, const http::RetryPolicy& retry,
                  const std::stop_token& stop);

/// Whether the registry's credentials may be sent to this realm: over https, or to this machine
/// itself, or to the registry's own origin.
bool credentials_may_go_to(const http::Url& realm, const http::Url& registry);

/// "Basic …" (RFC 7617) of user and password, or of user and identity token where there is no
/// password.
Secret basic_header(const Credentials& credentials);

/// Reads {"token" or "access_token", "expires_in", "issued_at", "refresh_token"}. A life that is
/// not stated or below 60 s counts as 60 s; what has passed between `issued_at` and `now` (by the
/// service's clock) is taken off. Throws Code::malformed naming `what`; the text is never quoted.
Token parse_token_answer(std::string_view text, UnixTime now, std::string_view what);
/// Whether the text can be sent in a header: printable ASCII without spaces.
bool is_token_text(std::string_view text);

}  // namespace dray::oci
