#include "dray/serve/query.h"

#include <fmt/format.h>

#include <algorithm>

#include "dray/base/error.h"
#include "dray/base/path.h"
#include "dray/http/url.h"

namespace dray {

namespace {

[[noreturn]] void refuse(std::string message) {
  throw Error(Code::malformed, std::move(message)).on("read", "query");
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/// The escape that cannot be read, as Go shows it: '%' and up to two characters.
std::string_view bad_escape(std::string_view piece) {
  for (std::size_t at = piece.find('%'); at != std::string_view::npos; at = piece.find('%', at + 1))
    if (at + 2 >= piece.size() || !is_hex(piece[at + 1]) || !is_hex(piece[at + 2]))
      return piece.substr(at, 3);
  return "";
}

std::string decoded(std::string_view piece) {
  std::string text(piece);
  std::replace(text.begin(), text.end(), '+', ' ');
  auto plain = http::percent_decode(text);
  if (!plain) refuse(fmt::format("invalid URL escape \"{}\"", bad_escape(text)));
  if (!valid_utf8(*plain)) refuse("the query is not UTF-8");
  return *std::move(plain);
}

}  // namespace

Query::Query(std::string_view text) {
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    if (pair.empty()) continue;
    if (pair.find(';') != std::string_view::npos) refuse("invalid semicolon separator in query");
    const std::size_t equals = pair.find('=');
    pairs_.emplace_back(decoded(pair.substr(0, equals)),
                        equals == std::string_view::npos ? "" : decoded(pair.substr(equals + 1)));
  }
}

const std::string& Query::get(std::string_view name) const {
  static const std::string none;
  for (const auto& [key, value] : pairs_)
    if (key == name) return value;
  return none;
}

}  // namespace dray
