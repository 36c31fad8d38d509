// The language of `filterQuery`: conditions on the fields and custom properties of resources.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dray/registry/record_property.h"

namespace dray {

using FilterValue = std::variant<std::string, std::int64_t, double, bool>;

enum class FilterOperator : std::uint8_t {
  equal,
  not_equal,
  less,
  less_or_equal,
  greater,
  greater_or_equal,
  like,                 // % and _ stand for any text and any character
  like_in_either_case,  // ILIKE
  in,
};

struct FilterComparison {
  std::string property;
  std::optional<ValueType> type;  // stated by a suffix: "accuracy.double_value"
  FilterOperator op = FilterOperator::equal;
  std::vector<FilterValue> values;  // one, but for `in`
};

/// A comparison, or several filters of which all or any must hold.
struct Filter {
  enum class Form : std::uint8_t { comparison, all, any };
  Form form = Form::comparison;
  FilterComparison comparison;
  std::vector<Filter> parts;
};

///   filter     = and { "OR" and } .
///   and        = term { "AND" term } .
///   term       = "(" filter ")" | property operator value .
///   property   = ( name { "." name } | "`" text "`" ) [ "." type "_value" ] .
///   operator   = "=" | "!=" | "<>" | "<" | "<=" | ">" | ">=" | "LIKE" | "ILIKE" | "IN" .
///   value      = string | integer | float | "true" | "false" | "(" [ value { "," value } ] ")" .
/// Words in any case; strings in ' or " with \ before a quote or \; "--" begins a comment.
/// nullopt for what is blank. Throws bad_request for other texts, and for those beyond the limits
/// of size, depth and number of conditions.
std::optional<Filter> parse_filter(std::string_view text);

}  // namespace dray
