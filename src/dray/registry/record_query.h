// SQL over the table of resources, with its parameters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "dray/registry/database.h"
#include "dray/registry/record_filter.h"
#include "dray/registry/record_kind.h"

namespace dray {

using SqlValue = std::variant<std::int64_t, double, std::string>;

/// Text made of constants alone; what clients sent is among the values, in the order of the `?`.
struct SqlText {
  std::string text;
  std::vector<SqlValue> values;

  SqlText& operator+=(std::string_view more) {
    text += more;
    return *this;
  }
  SqlText& operator+=(const SqlText& more);
  SqlText& value(SqlValue value) {
    values.push_back(std::move(value));
    return *this;
  }
};

void bind_all(sqlite::Statement& statement, const SqlText& sql);

/// The condition on `resource r`. `few`: other conditions leave few rows, so that it is better to
/// look at each than to search all properties. Throws bad_request where a value does not fit what
/// it is compared with.
SqlText filter_condition(Kind kind, const Filter& filter, bool few);

/// For each condition that must hold and says that a property has one value: the conditions of a
/// search for it over `property p`, which finds owners in the order of their ids, each once.
std::vector<SqlText> leading_searches(Kind kind, const Filter& filter);

/// "kind = 2" or a list of kinds, of `alias`.
std::string kind_condition(std::string_view alias, Kind kind);

}  // namespace dray
