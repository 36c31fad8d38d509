#include "dray/registry/filter_token.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/registry/record_errors.h"

namespace dray {

namespace {

using Form = FilterToken::Form;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

}  // namespace

FilterToken FilterTokens::next() {
  skip_blanks();
  return std::exchange(token_, read());
}

void FilterTokens::skip_blanks() {
  while (place_ < text_.size()) {
    if (text_.substr(place_).starts_with("--")) {
      place_ = std::min(text_.find_first_of("\r\n", place_), text_.size());
    } else if (std::string_view(" \t\r\n\f\v").find(text_[place_]) != std::string_view::npos) {
      ++place_;
    } else {
      return;
    }
  }
}

FilterToken FilterTokens::read() {
  if (place_ >= text_.size()) return {.place = place_};
  const char c = at(place_);
  if (is_letter(c)) return read_word();
  if (c == '\'' || c == '"' || c == '`') return read_quoted(c);
  if (FilterToken number; read_number(number)) return number;
  return read_sign();
}

FilterToken FilterTokens::read_word() {
  const std::size_t start = place_;
  while (is_letter(at(place_)) || is_digit(at(place_))) ++place_;
  return {
      .form = Form::word, .text = std::string(text_.substr(start, place_ - start)), .place = start};
}

FilterToken FilterTokens::read_quoted(char quote) {
  FilterToken out{.form = quote == '`' ? Form::quoted_name : Form::text, .place = place_};
  for (std::size_t i = place_ + 1; i < text_.size(); ++i) {
    const char c = text_[i];
    if (c == quote) {
      place_ = i + 1;
      return out;
    }
    if (c == '\\' && i + 1 < text_.size()) {
      const char escaped = text_[++i];
      // Other backslashes stay: they mean something to LIKE.
      const bool resolved = escaped == '\\' || escaped == '\'' || escaped == '"' ||
                            (quote == '`' && (escaped == '`' || escaped == '.'));
      if (!resolved) out.text += c;
      out.text += escaped;
    } else {
      out.text += c;
    }
  }
  throw bad_request(fmt::format(
      "invalid filter query syntax: at character {}: a quote is not closed", place_ + 1));
}

bool FilterTokens::read_number(FilterToken& out) {
  std::size_t end = place_;
  const auto digits = [&] {
    const std::size_t start = end;
    while (is_digit(at(end))) ++end;
    return end - start;
  };
  if (at(end) == '-' || at(end) == '+') ++end;
  const std::size_t whole = digits();
  bool real = false;
  if (at(end) == '.' && is_digit(at(end + 1))) {
    real = true;
    ++end;
    digits();
  } else if (whole == 0) {
    return false;
  }
  if (at(end) == 'e' || at(end) == 'E') {
    const bool has_sign = at(end + 1) == '-' || at(end + 1) == '+';
    if (is_digit(at(end + (has_sign ? 2 : 1)))) {
      real = true;
      end += has_sign ? 2 : 1;
      digits();
    }
  }
  out = {.form = real ? Form::real : Form::integer,
         .text = std::string(text_.substr(place_, end - place_)),
         .place = place_};
  place_ = end;
  return true;
}

FilterToken FilterTokens::read_sign() {
  for (const std::string_view sign : {">=", "<=", "!=", "<>", "=", ">", "<", "(", ")", ".", ","}) {
    if (!text_.substr(place_).starts_with(sign)) continue;
    const std::size_t start = std::exchange(place_, place_ + sign.size());
    return {.form = Form::sign, .text = std::string(sign), .place = start};
  }
  throw bad_request(
      fmt::format("invalid filter query syntax: at character {}: not understood", place_ + 1));
}

}  // namespace dray
