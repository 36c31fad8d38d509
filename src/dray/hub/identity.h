// A CI job's own identity in place of a stored token ("trusted publishers").
#pragma once

#include <stop_token>
#include <string>

#include "dray/http/client.h"
#include "dray/http/retry.h"
#include "dray/hub/token.h"

namespace dray::hub {

/// Exchanges the job's identity for a token of $HF_OIDC_RESOURCE (RFC 8693) that lives for about an
/// hour; ask again when it is refused. The identity is $HF_OIDC_ID_TOKEN or, in a job of GitHub
/// Actions, what that gives. It goes to `endpoint` only. Throws Code::auth with the next step where
/// there is no identity or the Hub does not accept it; there is no falling back to another token,
/// because the variable asks for this one.
Token exchange_identity(http::Client& client, const std::string& endpoint,
                        const http::RetryPolicy& retry, const std::stop_token& stop);

}  // namespace dray::hub
