#include "dray/hub/errors.h"

#include <optional>
#include <string_view>
#include <utility>

#include "dray/base/json.h"
#include "dray/http/excerpt.h"
#include "dray/http/retry.h"

namespace dray::hub {

namespace {

constexpr std::string_view kDisabled = "Access to this resource is disabled.";
constexpr std::string_view kBadToken = "Invalid credentials in Authorization header";

/// The Hub's own sentence, "" where there is none.
std::string message_of(const http::Response& response) {
  std::string message = response.headers.get("x-error-message").value_or("");
  if (message.empty() && response.body.starts_with('{')) {
    try {
      const Json body = parse_json(response.body, "error answer", {.bytes = 64 << 10, .depth = 8});
      message = find_string(body, "error", "error answer").value_or("");
    } catch (const Error&) {
      return "";  // the status tells enough
    }
  }
  return http::clean_text(message);
}

bool looks_like_short_commit(std::string_view revision) {
  return revision.size() >= 4 && revision.size() < 40 &&
         revision.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// " (tokens are stored under …)", "" where there is nothing to say.
std::string advice(const Asked& asked) {
  return asked.token_advice.empty() ? "" : " (" + asked.token_advice + ")";
}

std::string page_of(const Asked& asked) { return asked.endpoint + "/" + asked.repo; }

std::string settings_of(const Asked& asked) { return asked.endpoint + "/settings/tokens"; }

Error gated(const Asked& asked) {
  Error error(Code::gated, "access to this repository must be granted first");
  if (asked.token_place.empty())
    return std::move(error).hint("accept the terms at " + page_of(asked) +
                                 ", then set HF_TOKEN to a token of that account" + advice(asked));
  return std::move(error).hint("ask for access at " + page_of(asked) +
                               " with the account of the token from " + asked.token_place +
                               advice(asked));
}

Error missing_repo(const Asked& asked) {
  if (asked.token_place.empty())
    return Error(Code::not_found, "no such repository, or it is private or gated")
        .hint("check the name at " + page_of(asked) + "; for a private one set HF_TOKEN" +
              advice(asked));
  return Error(Code::not_found, "no such repository, or the token may not see it")
      .hint("check the name at " + page_of(asked) + ", and that the token from " +
            asked.token_place + " can read it (" + settings_of(asked) + ")" + advice(asked));
}

Error missing_revision(const Asked& asked) {
  Error error(Code::not_found, "the repository has no revision '" + asked.revision + "'");
  if (looks_like_short_commit(asked.revision))
    return std::move(error).hint("a commit is named by all its 40 digits: see " + page_of(asked) +
                                 "/commits/main");
  return std::move(error).hint("branches, tags and commits: " + page_of(asked) + "/tree/main");
}

/// The error without what both kinds have in common; nullopt when the status alone must do.
std::optional<Error> hub_case(const http::Response& response, const Asked& asked) {
  const std::string code = response.headers.get("x-error-code").value_or("");
  const std::string message = message_of(response);
  if (response.status == 429 || response.status >= 500) return std::nullopt;
  if (code == "GatedRepo") return gated(asked);
  if (message == kDisabled)
    return Error(Code::not_found, "the Hub has disabled this repository")
        .hint("its page may say why: " + page_of(asked));
  if (code == "RevisionNotFound") return missing_revision(asked);
  if (code == "EntryNotFound")
    return Error(Code::not_found,
                 "the repository has no file '" + asked.path + "' at " + asked.revision);
  if (code == "RepoNotFound") return missing_repo(asked);
  if (response.status == 401 && message.starts_with(kBadToken))
    return Error(Code::auth, "the Hub does not accept the token from " + asked.token_place)
        .hint(asked.token_advice.empty() ? "make a new one at " + settings_of(asked) +
                                               ", or remove it to import public models without one"
                                         : asked.token_advice);
  if (response.status == 401) return missing_repo(asked);
  if (response.status == 403)
    return Error(Code::auth, message.empty() ? "the Hub refuses access" : message)
        .hint((asked.token_place.empty() ? "set HF_TOKEN to a token that can read " + asked.repo
                                         : "check what the token from " + asked.token_place +
                                               " may read at " + settings_of(asked)) +
              advice(asked));
  return std::nullopt;
}

}  // namespace

Error answer_error(const http::Request& request, const http::Response& response,
                   const Asked& asked) {
  if (std::optional<Error> known = hub_case(response, asked))
    return std::move(*known)
        .on(request.verb, request.object)
        .from(Side::source)
        .http(response.status, response.headers.get("x-error-code").value_or(""),
              http::request_id(response.headers));
  Error error = http::status_error(request, response);
  if (response.status == 429 && asked.token_place.empty())
    return std::move(error).hint("the Hub allows more requests with a token: set HF_TOKEN");
  return error;
}

}  // namespace dray::hub
