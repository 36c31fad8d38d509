// The Hub's error answers as one clear error each.
#pragma once

#include <string>

#include "dray/base/error.h"
#include "dray/http/client.h"

namespace dray::hub {

/// What was asked for, for messages and next steps.
struct Asked {
  std::string endpoint;  // the Hub's base address
  std::string repo;
  std::string revision;      // as the user named it or a commit
  std::string path;          // of a file, "" for the repository itself
  std::string token_place;   // where the token that was sent comes from, "" if none was
  std::string token_advice;  // Token::advice
};

/// For an answer of the Hub itself (not of a download host) outside 2xx and 3xx. Decided by
/// X-Error-Code and status; texts count only where the Hub tells cases apart by nothing else (a
/// disabled repository, a bad token). Repository missing, private or renamed: not_found; access not
/// granted: gated; token bad: auth; 429: throttled with the wait that `RateLimit` or `Retry-After`
/// asks for; the rest as http::status_error.
Error answer_error(const http::Request& request, const http::Response& response,
                   const Asked& asked);

}  // namespace dray::hub
