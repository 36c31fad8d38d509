// The Hub's access token: where it is looked for.
#pragma once

#include <functional>
#include <string>

#include "dray/base/secret.h"

namespace dray::hub {

struct TokenOptions {
  std::string file;        // named by the user: wins over everything, and must hold a token
  bool anonymous = false;  // send none
};

/// A token and the place it was found at ("HF_TOKEN", "/home/me/.cache/huggingface/token, stored as
/// 'work'"), for messages. Empty where there is none.
struct Token {
  Secret value;
  std::string place;
  /// What helps where it is refused, or where there is none: "it expired …", "tokens are stored
  /// under …"; mostly "".
  std::string advice;
};

/// The first of: `options.file`; unless $HF_HUB_DISABLE_IMPLICIT_TOKEN is set also what `exchange`
/// gives where $HF_OIDC_RESOURCE asks for it (hub/identity.h), $HF_TOKEN, $HUGGING_FACE_HUB_TOKEN,
/// the file $HF_TOKEN_PATH, the file "token" in the Hub's home. Of tokens stored under names the
/// active one is in that file (`hf auth switch` puts it there). Line ends and spaces around a token
/// are cut; an empty one counts as none. Throws Code::auth when a named file is absent or empty,
/// and Code::usage for a value that no header may carry. Never shows a value.
Token find_token(const TokenOptions& options, const std::function<Token()>& exchange);

}  // namespace dray::hub
