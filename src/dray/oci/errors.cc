#include "dray/oci/errors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "dray/http/excerpt.h"

namespace dray::oci {

namespace {

std::string login_hint(const std::string& host) {
  return fmt::format(
      "log in with `podman login {0}` or `docker login {0}`, or name a file that holds credentials "
      "with REGISTRY_AUTH_FILE",
      host);
}

/// "push to org/name", "pull from a and b", "use host".
std::string wanted(const Asked& asked) {
  for (const auto& [action, words] : {std::pair{"push", "push to"}, {"pull", "pull from"}})
    if (const auto names = asked.scopes.repositories(action); !names.empty())
      return fmt::format("{} {}", words, fmt::join(names, " and "));
  return "use " + asked.host;
}

/// The server's own words, unless they repeat what nobody may see.
std::string words_of(const http::Response& response, const Credentials* credentials) {
  std::string text = http::body_excerpt(response);
  if (credentials == nullptr) return text;
  for (const Secret* secret :
       {&credentials->password, &credentials->identity_token, &credentials->registry_token})
    if (!secret->empty() && text.find(secret->reveal()) != std::string::npos) return "";
  return text;
}

struct Case {
  std::string message, hint;
};

Case case_of(const Asked& asked, bool denied) {
  if (asked.credentials == nullptr)
    return {fmt::format("{} wants credentials, and none were found for it", asked.host),
            login_hint(asked.host)};
  const Credentials& used = *asked.credentials;
  if (denied)
    return {"access denied",
            fmt::format("check that {} may {}; the credentials are from {}, and REGISTRY_AUTH_FILE "
                        "names a file with others",
                        used.user.empty() || used.user == "<token>" ? "their owner" : used.user,
                        wanted(asked), used.origin)};
  return {fmt::format("{} does not accept the credentials", asked.host),
          fmt::format("they are from {}: {}", used.origin, login_hint(asked.host))};
}

}  // namespace

Error refusal(const http::Request& request, const http::Response& response, const Asked& asked,
              bool denied) {
  Case found = case_of(asked, denied || response.status == 403);
  if (const std::string words = words_of(response, asked.credentials); !words.empty())
    found.message += ": " + words;
  return Error(Code::auth, std::move(found.message))
      .on(request.verb.empty() ? request.method : request.verb,
          request.object.empty() ? request.url.shown() : request.object)
      .from(request.side)
      .http(response.status, http::body_code(response), http::request_id(response.headers))
      .hint(std::move(found.hint));
}

}  // namespace dray::oci
