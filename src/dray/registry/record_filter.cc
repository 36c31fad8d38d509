#include "dray/registry/record_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "dray/registry/filter_token.h"
#include "dray/registry/record_errors.h"

namespace dray {

namespace {

constexpr std::size_t kLongestText = 16384;
constexpr int kDeepest = 32;
constexpr int kMostComparisons = 100;
constexpr std::size_t kMostValues = 500;

using Token = FilterToken;

/// `word` in capitals.
bool is_word(const Token& token, std::string_view word) {
  const auto same = [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 'a' + 'A' : a) == b; };
  return token.form == Token::Form::word && std::ranges::equal(token.text, word, same);
}

std::optional<ValueType> type_of_suffix(std::string_view name) {
  if (name == "string_value") return ValueType::text;
  if (name == "int_value") return ValueType::integer;
  if (name == "double_value") return ValueType::number;
  if (name == "bool_value") return ValueType::boolean;
  return std::nullopt;
}

std::optional<FilterOperator> operator_of(const Token& token) {
  constexpr std::pair<std::string_view, FilterOperator> kSigns[] = {
      {"=", FilterOperator::equal},
      {"!=", FilterOperator::not_equal},
      {"<>", FilterOperator::not_equal},
      {"<", FilterOperator::less},
      {"<=", FilterOperator::less_or_equal},
      {">", FilterOperator::greater},
      {">=", FilterOperator::greater_or_equal}};
  if (token.form == Token::Form::sign)
    for (const auto& [sign, op] : kSigns)
      if (token.text == sign) return op;
  if (is_word(token, "LIKE")) return FilterOperator::like;
  if (is_word(token, "ILIKE")) return FilterOperator::like_in_either_case;
  if (is_word(token, "IN")) return FilterOperator::in;
  return std::nullopt;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : tokens_(text) {}

  Filter parse() {
    Filter filter = any(0);
    if (tokens_.peek().form != Token::Form::end) unexpected("AND, OR or the end");
    return filter;
  }

 private:
  [[noreturn]] void unexpected(std::string_view wanted) {
    const Token& token = tokens_.peek();
    const bool unquoted = wanted == "a value" && token.form == Token::Form::word;
    throw bad_request(fmt::format(
        "invalid filter query syntax: at character {}: {} is expected{}", token.place + 1, wanted,
        unquoted ? ". Hint: String values must be quoted (e.g., name=\"value\")" : ""));
  }

  bool take_sign(std::string_view sign) {
    if (tokens_.peek().form != Token::Form::sign || tokens_.peek().text != sign) return false;
    tokens_.next();
    return true;
  }

  bool take_word(std::string_view word) {
    if (!is_word(tokens_.peek(), word)) return false;
    tokens_.next();
    return true;
  }

  template <typename Part>
  Filter chain(Filter::Form form, std::string_view word, Part part) {
    Filter first = part();
    if (!is_word(tokens_.peek(), word)) return first;
    Filter out{.form = form};
    out.parts.push_back(std::move(first));
    while (take_word(word)) out.parts.push_back(part());
    return out;
  }

  Filter any(int depth) {
    if (depth > kDeepest)
      throw bad_request(fmt::format("filter query nested more than {} levels deep", kDeepest));
    return chain(Filter::Form::any, "OR", [this, depth] { return all(depth); });
  }

  Filter all(int depth) {
    return chain(Filter::Form::all, "AND", [this, depth] { return term(depth); });
  }

  Filter term(int depth) {
    if (!take_sign("(")) return {.comparison = comparison()};
    Filter inner = any(depth + 1);
    if (!take_sign(")")) unexpected("\")\"");
    return inner;
  }

  FilterComparison comparison() {
    if (++comparisons_ > kMostComparisons)
      throw bad_request(fmt::format("filter query of more than {} conditions", kMostComparisons));
    FilterComparison out;
    property(out);
    const auto op = operator_of(tokens_.peek());
    if (!op) unexpected("an operator");
    tokens_.next();
    out.op = *op;
    values(out);
    return out;
  }

  void property(FilterComparison& out) {
    const Token first = tokens_.peek();
    if (first.form != Token::Form::word && first.form != Token::Form::quoted_name)
      unexpected("the name of a property");
    tokens_.next();
    out.property = first.text;
    while (take_sign(".")) {
      if (tokens_.peek().form != Token::Form::word) unexpected("a name");
      const std::string part = tokens_.next().text;
      out.type = type_of_suffix(part);
      if (out.type) return;
      out.property += "." + part;
    }
  }

  void values(FilterComparison& out) {
    if (!take_sign("(")) {
      out.values.push_back(value());
      return;
    }
    if (out.op != FilterOperator::in) unexpected("IN before a list");
    while (!take_sign(")")) {
      if (!out.values.empty() && !take_sign(",")) unexpected("\",\" or \")\"");
      out.values.push_back(value());
      if (out.values.size() > kMostValues)
        throw bad_request(fmt::format("filter query with a list of more than {}", kMostValues));
    }
  }

  FilterValue value() {
    const Token& token = tokens_.peek();
    std::optional<FilterValue> out;
    if (token.form == Token::Form::text) out = token.text;
    if (token.form == Token::Form::integer) out = whole_number(token.text);
    if (token.form == Token::Form::real) out = number(token.text);
    if (is_word(token, "TRUE")) out = true;
    if (is_word(token, "FALSE")) out = false;
    if (!out) unexpected("a value");
    tokens_.next();
    return *std::move(out);
  }

  std::int64_t whole_number(std::string_view text) {
    if (text.starts_with('+')) text.remove_prefix(1);
    std::int64_t out = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), out).ec != std::errc())
      unexpected("an integer of 64 bits");
    return out;
  }

  double number(const std::string& text) {
    char* end = nullptr;
    const double out = std::strtod(text.c_str(), &end);
    if (!std::isfinite(out)) unexpected("a finite number");
    return out;
  }

  FilterTokens tokens_;
  int comparisons_ = 0;
};

}  // namespace

std::optional<Filter> parse_filter(std::string_view text) {
  if (text.size() > kLongestText)
    throw bad_request(fmt::format("filter query longer than {} characters", kLongestText));
  if (text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos) return std::nullopt;
  return Parser(text).parse();
}

}  // namespace dray
