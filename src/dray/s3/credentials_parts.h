// Pieces that the credential sources share. Private to this room.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dray/http/client.h"
#include "dray/http/url.h"
#include "dray/s3/credentials.h"

namespace dray::s3 {

/// Reads {"AccessKeyId", "SecretAccessKey", "Expiration"} and the token under `token_key`. The text
/// is never quoted in errors.
Credentials parse_credentials_json(std::string_view text, const char* token_key,
                                   const std::string& origin);

/// An error about `origin`: Code::auth, Side::local.
Error credentials_error(const std::string& origin, std::string message);

/// For the services that give credentials: STS and single sign-on.
http::ClientOptions identity_client(const CredentialsOptions& options, const http::Url& url);

/// A role's credentials for the token that `aws sso login` left, as the profile says. Throws
/// Code::auth, telling to sign in, where there is no valid token.
Credentials sso_credentials(const CredentialsOptions& options, const Profiles& profiles,
                            const std::string& profile, const std::stop_token& stop);

using Form = std::vector<std::pair<std::string, std::string>>;
/// One call of the Security Token Service; signed with `signer` where given. `result` is the name
/// of the element that holds the credentials.
Credentials call_sts(const CredentialsOptions& options, const http::Url& url, const Form& form,
                     const std::string& result, const Credentials* signer,
                     const std::string& region, const std::string& origin,
                     const std::stop_token& stop);

struct WebIdentity {
  std::string role_arn, token_file, session_name;
};
Credentials assume_with_web_identity(const CredentialsOptions& options, const WebIdentity& identity,
                                     const http::Url& sts, const std::stop_token& stop);
/// A session name for CloudTrail: as configured, else "dray-<seconds>".
std::string session_name(const std::optional<std::string>& configured,
                         const CredentialsOptions& options);

}  // namespace dray::s3
