// A registry's refusals as one clear error each.
#pragma once

#include <string>

#include "dray/base/error.h"
#include "dray/http/client.h"
#include "dray/oci/credentials.h"
#include "dray/oci/scopes.h"

namespace dray::oci {

/// Who asked a registry for what, for messages and next steps.
struct Asked {
  std::string host;                          // as the user writes it
  Scopes scopes;                             // what the request needed
  const Credentials* credentials = nullptr;  // nullptr = without a name
};

/// For an answer 401 or 403 of a registry or its token service that asking again does not change:
/// Code::auth, with the place that the credentials come from, or how to give some. `denied`: who
/// asks is known, and may not do it; a 403 always means that. Never shows a secret, not even one
/// that the answer repeats.
Error refusal(const http::Request& request, const http::Response& response, const Asked& asked,
              bool denied = false);

}  // namespace dray::oci
