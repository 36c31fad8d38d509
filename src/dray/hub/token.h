// The Hub's access token: where it is looked for.
#pragma once

#include <string>

#include "dray/base/secret.h"

namespace dray::hub {

struct TokenOptions {
  std::string file;        // named by the user: wins over everything, and must hold a token
  bool anonymous = false;  // send none
};

/// A token and the place it was found at ("HF_TOKEN", "/home/me/.cache/huggingface/token"), for
/// messages. Empty where there is none.
struct Token {
  Secret value;
  std::string place;
};

/// The first of: `options.file`; unless $HF_HUB_DISABLE_IMPLICIT_TOKEN is set also $HF_TOKEN,
/// $HUGGING_FACE_HUB_TOKEN, the file $HF_TOKEN_PATH, the file "token" in the Hub's home. Line ends
/// and spaces around it are cut; an empty one counts as none. Throws Code::auth when a named file
/// is absent or empty, and Code::usage for a value that no header may carry. Never shows a value.
Token find_token(const TokenOptions& options);

}  // namespace dray::hub
