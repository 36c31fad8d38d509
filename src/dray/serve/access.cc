#include "dray/serve/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/glob.h"
#include "dray/http/url.h"

namespace dray {

namespace {

[[noreturn]] void unknown(std::string message) {
  throw Error(Code::auth, std::move(message)).on("identify", "the client");
}

/// The token of "Bearer TOKEN"; the scheme's case does not count.
std::optional<std::string> bearer_token(const std::string& header) {
  constexpr std::string_view scheme = "bearer ";
  if (header.size() <= scheme.size()) return std::nullopt;
  for (std::size_t i = 0; i < scheme.size(); ++i)
    if ((header[i] | 0x20) != (scheme[i] | 0x20)) return std::nullopt;
  std::string_view token = std::string_view(header).substr(scheme.size());
  while (token.starts_with(' ')) token.remove_prefix(1);
  while (token.ends_with(' ')) token.remove_suffix(1);
  if (token.empty()) return std::nullopt;
  return std::string(token);
}

/// "127.0.0.1:8080", "[::1]:8080", "localhost".
bool names_loopback(const std::string& authority) {
  try {
    return http::is_loopback(http::parse_url("http://" + authority));
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

std::string_view proof_name(Proof proof) {
  switch (proof) {
    case Proof::token:
      return "token";
    case Proof::proxy:
      return "proxy";
    case Proof::none:
      break;
  }
  return "none";
}

bool Caller::may(Role role) const {
  return std::any_of(grants.begin(), grants.end(), [&](const Grant& grant) {
    return grant.role >= role && (grant.names == "*" || role == Role::reader);
  });
}

bool Caller::may(Role role, std::string_view subject) const {
  return std::any_of(grants.begin(), grants.end(), [&](const Grant& grant) {
    return grant.role >= role && (role == Role::reader || glob_match(grant.names, subject));
  });
}

bool Caller::may_some(Role role) const {
  return std::any_of(grants.begin(), grants.end(),
                     [&](const Grant& grant) { return grant.role >= role; });
}

Access::Access(AccessOptions options) : options_(std::move(options)) {
  if (!options_.file.empty()) file_ = std::make_unique<AccessFile>(options_.file);
}

Caller Access::identify(const http::ServerRequest& request) const {
  if (const auto user = user_of_proxy(request)) {
    const auto entries = file_ ? file_->current() : std::make_shared<const AccessEntries>();
    return {.name = *user, .proof = Proof::proxy, .grants = grants_of_user(*entries, *user)};
  }
  if (const auto header = request.headers.get("Authorization"); header && file_) {
    const auto token = bearer_token(*header);
    if (!token) unknown("only bearer tokens are taken: Authorization: Bearer TOKEN");
    const auto entries = file_->current();
    const AccessEntry* entry = find_token(*entries, *token);
    if (entry == nullptr) unknown("the token is not known here");
    return {.name = entry->name, .proof = Proof::token, .grants = entry->grants};
  }
  if (!options_.anonymous) unknown("a bearer token is needed");
  check_browser(request);
  return {.name = "anonymous", .grants = {{.role = *options_.anonymous, .names = "*"}}};
}

std::optional<std::string> Access::user_of_proxy(const http::ServerRequest& request) const {
  if (options_.user_header.empty()) return std::nullopt;
  const bool trusted =
      std::any_of(options_.trusted.begin(), options_.trusted.end(),
                  [&](const Network& network) { return network.contains(request.client); });
  if (!trusted) return std::nullopt;  // what others say in it is nothing
  const auto values = request.headers.all(options_.user_header);
  if (values.empty()) return std::nullopt;
  // A second field would be one that the proxy passed on.
  if (values.size() != 1 || values.front().empty())
    unknown(fmt::format("{} must name one user", options_.user_header));
  return values.front();
}

void Access::check_browser(const http::ServerRequest& request) const {
  const std::string host = request.headers.get("Host").value_or("");
  if (options_.loopback && !host.empty() && !names_loopback(host))
    throw Error(Code::policy, fmt::format("this server is not called {}", host.substr(0, 100)));
  const auto origin = request.headers.get("Origin");
  if (origin && *origin != "http://" + host && *origin != "https://" + host)
    throw Error(Code::policy, "pages of another origin may not use this server without a token");
}

}  // namespace dray
