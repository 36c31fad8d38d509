// Tokens that the Hub's own client keeps under names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/secret.h"

namespace dray::hub {

/// One section of the file "stored_tokens": `[name]`, `hf_token = …` and, for tokens of a login in
/// the browser, `expires_at = <seconds>`.
struct StoredToken {
  std::string name;
  Secret value;
  std::optional<std::int64_t> expires_at;
};

/// What is not of this form is passed over: the file is the other client's.
std::vector<StoredToken> parse_stored_tokens(std::string_view text);

}  // namespace dray::hub
