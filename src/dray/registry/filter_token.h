// The words of a filterQuery.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dray {

struct FilterToken {
  enum class Form : std::uint8_t {
    word,         // a name or a keyword
    quoted_name,  // `…`
    text,         // '…' or "…"
    integer,
    real,
    sign,
    end,
  };
  Form form = Form::end;
  std::string text;  // of quoted ones what is between the quotes, escapes resolved
  std::size_t place = 0;
};

class FilterTokens {
 public:
  /// Throws bad_request, as `next` does, where the text goes on with nothing that is a word.
  explicit FilterTokens(std::string_view text) : text_(text) { next(); }
  const FilterToken& peek() const { return token_; }
  /// The token under `peek`, which moves on.
  FilterToken next();

 private:
  void skip_blanks();
  FilterToken read();
  FilterToken read_word();
  FilterToken read_quoted(char quote);
  bool read_number(FilterToken& out);
  FilterToken read_sign();
  char at(std::size_t place) const { return place < text_.size() ? text_[place] : '\0'; }

  std::string_view text_;
  std::size_t place_ = 0;
  FilterToken token_;
};

}  // namespace dray
