#include "dray/oci/challenge.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "dray/base/error.h"

namespace dray::oci {

namespace {

constexpr std::size_t kMaxValue = 64 << 10;
constexpr std::size_t kMaxChallenges = 16;
constexpr std::size_t kMaxParameters = 64;

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// tchar of RFC 9110 section 5.6.2.
bool is_token(char c) {
  return is_alnum(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token68(char c) {
  return is_alnum(c) || std::string_view("-._~+/").find(c) != std::string_view::npos;
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// An unquoted value: tokens, and also the URLs that some registries do not quote.
bool is_bare(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u > ' ' && u < 0x7F && c != ',' && c != '"';
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

[[noreturn]] void malformed(const char* why) {
  throw Error(Code::malformed, std::string("cannot read WWW-Authenticate: ") + why);
}

/// Walks once over the value; `rest_` is what has not been read.
class Parser {
 public:
  explicit Parser(std::string_view value) : rest_(value) {}

  std::vector<Challenge> parse() {
    while (skip_separators()) {
      const std::string_view name = take(is_token);
      if (name.empty()) malformed("a scheme or a parameter's name is expected");
      if (is_parameter())
        parameter(name);
      else
        open(name);
    }
    return std::move(out_);
  }

 private:
  std::string_view take(bool (*belongs)(char)) {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), belongs);
    const std::string_view taken =
        rest_.substr(0, static_cast<std::size_t>(std::distance(rest_.begin(), end)));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  /// False at the end of the value. Elements of a list may be empty.
  bool skip_separators() {
    take([](char c) { return is_blank(c) || c == ','; });
    return !rest_.empty();
  }

  /// Whether the token just read is followed by '='.
  bool is_parameter() const {
    const std::size_t next = rest_.find_first_not_of(" \t");
    return next != std::string_view::npos && rest_[next] == '=';
  }

  bool at_end_of_element() const {
    const std::size_t next = rest_.find_first_not_of(" \t");
    return next == std::string_view::npos || rest_[next] == ',';
  }

  void open(std::string_view scheme) {
    if (out_.size() == kMaxChallenges) malformed("too many challenges");
    out_.emplace_back().scheme = lower(scheme);
    parameters_ = 0;
    if (take(is_blank).empty()) {
      if (!at_end_of_element()) malformed("a scheme is followed by something else than a space");
      return;
    }
    // A single value without a name ("Negotiate YII=") ends like a parameter's beginning.
    const std::string_view before = rest_;
    const bool some = !take(is_token68).empty();
    take([](char c) { return c == '='; });
    if (!some || !at_end_of_element()) rest_ = before;
  }

  void parameter(std::string_view name) {
    if (out_.empty()) malformed("a parameter without a scheme");
    if (++parameters_ > kMaxParameters) malformed("too many parameters");
    take(is_blank);
    rest_.remove_prefix(1);  // '='
    take(is_blank);
    std::string value = rest_.starts_with('"') ? quoted() : std::string(take(is_bare));
    if (!rest_.empty() && rest_.front() != ',' && !is_blank(rest_.front()))
      malformed("a parameter is not followed by a comma");
    if (std::string* place = place_of(lower(name)); place != nullptr && place->empty())
      *place = std::move(value);
  }

  std::string quoted() {
    std::string out;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      char c = rest_[i];
      if (c == '"') {
        rest_.remove_prefix(i + 1);
        return out;
      }
      if (c == '\\') {
        if (++i == rest_.size()) break;
        c = rest_[i];
      }
      const auto u = static_cast<unsigned char>(c);
      if ((u < ' ' && c != '\t') || u == 0x7F) malformed("a control character");
      out += c;
    }
    malformed("a quote without its end");
  }

  std::string* place_of(const std::string& name) {
    Challenge& last = out_.back();
    if (name == "realm") return &last.realm;
    if (name == "service") return &last.service;
    if (name == "scope") return &last.scope;
    if (name == "error") return &last.error;
    return nullptr;
  }

  std::string_view rest_;
  std::vector<Challenge> out_;
  std::size_t parameters_ = 0;  // of the last challenge
};

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view value) {
  if (value.size() > kMaxValue) malformed("longer than 64 KiB");
  return Parser(value).parse();
}

std::vector<Challenge> challenges_of(const http::Headers& headers) {
  std::vector<Challenge> out;
  for (const std::string& value : headers.all("WWW-Authenticate")) {
    auto some = parse_challenges(value);
    std::move(some.begin(), some.end(), std::back_inserter(out));
  }
  return out;
}

}  // namespace dray::oci
