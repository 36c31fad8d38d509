#include "dray/hub/token.h"

#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/hub/environment.h"

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
  return Token{Secret(std::string(text)), place};
}

std::optional<Token> token_in_file(const std::filesystem::path& path) {
  std::optional<std::string> text = read_file(path, kLongest);
  if (!text) return std::nullopt;
  const Secret wiped(std::move(*text));
  return token_of(wiped.reveal(), path.string());
}

}  // namespace

Token find_token(const TokenOptions& options) {
  if (options.anonymous) return {};
  if (!options.file.empty()) {
    if (auto token = token_in_file(expand_home(options.file))) return *token;
    throw Error(Code::auth, "there is no token in this file")
        .on("read token from", options.file)
        .from(Side::source)
        .hint("write a token from https://huggingface.co/settings/tokens into it");
  }
  if (is_true(env("HF_HUB_DISABLE_IMPLICIT_TOKEN").value_or(""))) return {};
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"})
    if (const auto value = env(name))
      if (auto token = token_of(*value, name)) return *token;
  const auto path = env("HF_TOKEN_PATH");
  return token_in_file(path ? expand_path(*path) : home() / "token").value_or(Token{});
}

}  // namespace dray::hub
