#include "dray/hub/token.h"

#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/log.h"
#include "dray/base/time.h"
#include "dray/hub/environment.h"
#include "dray/hub/stored_tokens.h"

namespace dray::hub {

namespace {

constexpr std::uint64_t kLongest = 16 << 10;

/// nullopt when nothing is left after cutting.
std::optional<Token> token_of(std::string_view text, const std::string& place) {
  constexpr std::string_view blank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return std::nullopt;
  text = text.substr(first, text.find_last_not_of(blank) - first + 1);
  for (const char c : text)
    if (c <= ' ' || c > '~')
      throw Error(Code::usage, "the token has a character that cannot be sent")
          .on("read token from", place)
          .from(Side::source)
          .hint("a token is one word: hf_ and letters and digits");
  return Token{Secret(std::string(text)), place, ""};
}

std::optional<Token> token_in_file(const std::filesystem::path& path) {
  std::optional<std::string> text = read_file(path, kLongest);
  if (!text) return std::nullopt;
  const Secret wiped(std::move(*text));
  return token_of(wiped.reveal(), path.string());
}

/// Tokens of the file beside `active`; broken or secret to others, it only cannot help.
std::vector<StoredToken> stored_beside(const std::filesystem::path& active) {
  try {
    std::optional<std::string> text = read_file(active.parent_path() / "stored_tokens", kLongest);
    if (!text) return {};
    const Secret wiped(std::move(*text));
    return parse_stored_tokens(wiped.reveal());
  } catch (const Error& error) {
    debug("stored tokens are of no use: {}", error.what());
    return {};
  }
}

/// The name that the active token is stored under, and whether it can still be good: logins in the
/// browser expire, and only the Hub's own client renews them.
void name_stored(Token& token, const std::vector<StoredToken>& stored) {
  for (const StoredToken& one : stored) {
    if (one.value.reveal() != token.value.reveal()) continue;
    token.place += ", stored as '" + one.name + "'";
    if (one.expires_at && *one.expires_at <= unix_now())
      token.advice = "it expired at " + rfc3339(*one.expires_at) +
                     ": `hf auth whoami` renews it, `hf auth login` makes a new one";
    return;
  }
}

/// The file that the Hub's client keeps the active token in.
Token active_token(const std::filesystem::path& path) {
  const std::vector<StoredToken> stored = stored_beside(path);
  if (auto token = token_in_file(path)) {
    name_stored(*token, stored);
    return std::move(*token);
  }
  Token none;
  for (const StoredToken& one : stored)
    none.advice += (none.advice.empty() ? "tokens are stored under the names " : ", ") + one.name;
  if (!none.advice.empty()) none.advice += ": `hf auth switch` makes one of them the active one";
  return none;
}

}  // namespace

Token find_token(const TokenOptions& options, const std::function<Token()>& exchange) {
  if (options.anonymous) return {};
  if (!options.file.empty()) {
    if (auto token = token_in_file(expand_home(options.file))) return *token;
    throw Error(Code::auth, "there is no token in this file")
        .on("read token from", options.file)
        .from(Side::source)
        .hint("write a token from https://huggingface.co/settings/tokens into it");
  }
  if (is_true(env("HF_HUB_DISABLE_IMPLICIT_TOKEN").value_or(""))) return {};
  if (env("HF_OIDC_RESOURCE")) return exchange();
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"})
    if (const auto value = env(name))
      if (auto token = token_of(*value, name)) return *token;
  const auto path = env("HF_TOKEN_PATH");
  return active_token(path ? expand_path(*path) : home() / "token");
}

}  // namespace dray::hub
