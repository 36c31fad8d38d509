#include "dray/base/glob.h"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace dray {

namespace {

/// The code point at `at`, which moves behind it; a byte that is not UTF-8 counts as one character.
std::uint32_t take_character(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const std::uint32_t first = byte(at);
  std::size_t extra = 0;
  std::uint32_t value = first;
  if (first >= 0xF0 && first < 0xF8) {
    extra = 3;
    value = first & 0x07;
  } else if (first >= 0xE0 && first < 0xF0) {
    extra = 2;
    value = first & 0x0F;
  } else if (first >= 0xC2 && first < 0xE0) {
    extra = 1;
    value = first & 0x1F;
  }
  for (std::size_t i = 1; i <= extra; ++i) {
    const std::uint32_t next = byte(at + i);
    if ((next & 0xC0) != 0x80) {
      ++at;
      return 0x110000 + first;  // apart from all code points
    }
    value = value << 6 | (next & 0x3F);
  }
  at += extra + 1;
  if (first >= 0x80 && extra == 0) return 0x110000 + first;
  return value == '\\' ? '/' : value;
}

struct Range {
  std::uint32_t first, last;
};

struct Token {
  enum Kind { literal, any, star, set } kind = literal;
  std::uint32_t character = 0;  // literal
  bool negated = false;         // set
  std::vector<Range> ranges;    // set

  bool matches(std::uint32_t c) const {
    switch (kind) {
      case literal:
        return c == character;
      case any:
        return true;
      case star:
        return false;
      case set:
        break;
    }
    const bool inside =
        std::ranges::any_of(ranges, [c](Range r) { return r.first <= c && c <= r.last; });
    return inside != negated;
  }
};

/// What stands between `[` and `]`. A `-` that is first, last or right behind a range is itself.
std::vector<Range> parse_set(std::string_view text) {
  std::vector<Range> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::uint32_t first = take_character(text, at);
    std::uint32_t last = first;
    if (at + 1 < text.size() && text[at] == '-') {
      ++at;
      last = take_character(text, at);
    }
    out.push_back({first, last});
  }
  return out;
}

std::vector<Token> compile(std::string_view pattern) {
  std::vector<Token> out;
  bool sets_possible = true;  // false once no `]` follows, so that "[[[[…" costs one search
  for (std::size_t at = 0; at < pattern.size();) {
    const char c = pattern[at];
    if (c == '*') {
      ++at;
      if (out.empty() || out.back().kind != Token::star) out.push_back({.kind = Token::star});
      continue;
    }
    if (c == '?') {
      ++at;
      out.push_back({.kind = Token::any});
      continue;
    }
    if (c == '[' && sets_possible) {
      const bool negated = at + 1 < pattern.size() && pattern[at + 1] == '!';
      const std::size_t start = at + (negated ? 2 : 1);
      const std::size_t end = pattern.find(']', start + 1);  // a `]` in first place is a member
      if (end != std::string_view::npos) {
        out.push_back({.kind = Token::set,
                       .negated = negated,
                       .ranges = parse_set(pattern.substr(start, end - start))});
        at = end + 1;
        continue;
      }
      sets_possible = false;
    }
    out.push_back({.character = take_character(pattern, at)});
  }
  if (!pattern.empty() && (pattern.back() == '/' || pattern.back() == '\\'))
    out.push_back({.kind = Token::star});
  return out;
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view path) {
  const std::vector<Token> tokens = compile(pattern);
  // On a mismatch only the last star seen need take one character more: what earlier stars matched
  // could only be longer, which leaves less for the rest. So the work is at most |pattern| ×
  // |path|.
  struct Resume {
    std::size_t token, at;
  };
  std::optional<Resume> last_star;
  std::size_t token = 0, at = 0;
  while (at < path.size()) {
    if (token < tokens.size() && tokens[token].kind == Token::star) {
      last_star = Resume{++token, at};
      continue;
    }
    std::size_t next = at;
    const std::uint32_t c = take_character(path, next);
    if (token < tokens.size() && tokens[token].matches(c)) {
      ++token;
      at = next;
    } else if (last_star) {
      take_character(path, last_star->at);
      at = last_star->at;
      token = last_star->token;
    } else {
      return false;
    }
  }
  while (token < tokens.size() && tokens[token].kind == Token::star) ++token;
  return token == tokens.size();
}

bool glob_selects(const std::vector<std::string>& include, const std::vector<std::string>& exclude,
                  std::string_view path) {
  const auto matches = [path](const std::string& pattern) { return glob_match(pattern, path); };
  return (include.empty() || std::ranges::any_of(include, matches)) &&
         std::ranges::none_of(exclude, matches);
}

}  // namespace dray
