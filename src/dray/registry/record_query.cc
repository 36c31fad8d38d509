#include "dray/registry/record_query.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "dray/registry/number_text.h"
#include "dray/registry/record_errors.h"

namespace dray {

namespace {

struct Target {
  std::string_view column;       // "" for what is in the table of properties
  std::optional<bool> custom;    // nullopt: a field or a custom property
  std::vector<ValueType> types;  // that the values may have
};

struct Column {
  std::string_view property, column;
  ValueType type;
};
constexpr Column kColumns[] = {
    {"id", "r.id", ValueType::integer},
    {"name", "r.name", ValueType::text},
    {"externalId", "r.external_id", ValueType::text},
    {"createTimeSinceEpoch", "r.created", ValueType::integer},
    {"lastUpdateTimeSinceEpoch", "r.updated", ValueType::integer},
};

// Fields that the real server's filter takes for custom properties, and finds all the same.
constexpr std::string_view kLooseFields[] = {"description", "maturity",    "provider",
                                             "license",     "licenseLink", "libraryName"};

[[noreturn]] void mismatch(const FilterComparison& comparison) {
  throw bad_request(
      fmt::format("invalid filter query, type mismatch or invalid value in comparison of \"{}\"",
                  comparison.property.substr(0, 100)));
}

const Field* field_of(Kind kind, std::string_view name) {
  if (kind != Kind::any_artifact) return kind_info(kind).field(name);
  for (const Kind artifact : {Kind::model_artifact, Kind::doc_artifact, Kind::dataset_artifact,
                              Kind::metric, Kind::parameter})
    if (const Field* field = kind_info(artifact).field(name)) return field;
  return nullptr;
}

/// As what values of a custom property are compared that are written so.
std::vector<ValueType> types_of(const FilterComparison& comparison) {
  std::vector<ValueType> out;
  const auto add = [&out](ValueType type) {
    if (std::ranges::find(out, type) == out.end()) out.push_back(type);
  };
  for (const FilterValue& value : comparison.values) {
    if (std::holds_alternative<std::string>(value)) add(ValueType::text);
    if (std::holds_alternative<bool>(value)) add(ValueType::boolean);
    if (std::holds_alternative<double>(value)) add(ValueType::number);
    if (std::holds_alternative<std::int64_t>(value)) {
      add(ValueType::integer);
      add(ValueType::number);
    }
  }
  return out;
}

Target target_of(Kind kind, const FilterComparison& comparison) {
  for (const Column& column : kColumns)
    if (column.property == comparison.property)
      return {.column = column.column, .custom = false, .types = {column.type}};
  const Field* field = field_of(kind, comparison.property);
  if (field != nullptr && is_searchable(*field)) {
    const bool loose = std::ranges::find(kLooseFields, field->name) != std::end(kLooseFields);
    Target out{.custom = loose ? std::nullopt : std::optional(false),
               .types = {comparison.type.value_or(search_type(*field))}};
    // Several kinds of artifacts have a value: numbers and texts.
    if (kind == Kind::any_artifact && field->name == "value" && !comparison.type)
      out.types = types_of(comparison);
    return out;
  }
  Target out{.custom = true};
  out.types = comparison.type ? std::vector{*comparison.type} : types_of(comparison);
  return out;
}

bool is_numeric(ValueType type) { return type == ValueType::integer || type == ValueType::number; }

/// The value as it is stored; nullopt if it cannot be one of that type.
std::optional<SqlValue> stored_value(const FilterValue& value, ValueType type) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    if (type == ValueType::text) return *text;
    // Ids and times are strings in the API.
    const auto number = whole_number<std::int64_t>(*text);
    return type == ValueType::integer && number ? std::optional<SqlValue>(*number) : std::nullopt;
  }
  if (const auto* truth = std::get_if<bool>(&value))
    return type == ValueType::boolean ? std::optional<SqlValue>(std::int64_t{*truth})
                                      : std::nullopt;
  if (!is_numeric(type)) return std::nullopt;
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return *whole;
  return std::get<double>(value);
}

std::string_view sign_of(FilterOperator op) {
  switch (op) {
    case FilterOperator::equal:
      return "=";
    case FilterOperator::not_equal:
      return "<>";
    case FilterOperator::less:
      return "<";
    case FilterOperator::less_or_equal:
      return "<=";
    case FilterOperator::greater:
      return ">";
    case FilterOperator::greater_or_equal:
      return ">=";
    default:
      return "";
  }
}

/// "column operator ?", with the values that fit one of the types.
SqlText compare(std::string_view column, const FilterComparison& comparison, const Target& target) {
  SqlText out;
  for (const FilterValue& value : comparison.values) {
    std::optional<SqlValue> stored;
    for (const ValueType type : target.types)
      if (!stored) stored = stored_value(value, type);
    if (!stored) mismatch(comparison);
    out.value(*std::move(stored));
  }
  const bool is_text = target.types == std::vector{ValueType::text};
  switch (comparison.op) {
    case FilterOperator::in: {
      std::string marks;
      for (std::size_t i = 0; i < out.values.size(); ++i) marks += i == 0 ? "?" : ", ?";
      out += fmt::format("{} IN ({})", column, marks);
      return out;
    }
    case FilterOperator::like:
      if (!is_text) mismatch(comparison);
      out += fmt::format("{} LIKE ? ESCAPE '\\'", column);
      return out;
    case FilterOperator::like_in_either_case:
      if (!is_text) mismatch(comparison);
      out += fmt::format("upper({}) LIKE upper(?) ESCAPE '\\'", column);
      return out;
    default:
      out += fmt::format("{} {} ?", column, sign_of(comparison.op));
      return out;
  }
}

/// The conditions on `property p`, in the order of its index.
SqlText search(Kind kind, const FilterComparison& comparison, const Target& target, bool few) {
  SqlText out;
  out += few ? "p.owner = r.id" : kind_condition("p", kind);
  out += " AND p.name = ?";
  out.value(comparison.property);
  std::string types;
  for (const ValueType type : target.types)
    types += fmt::format("{}{}", types.empty() ? "" : ", ", static_cast<int>(type));
  out += target.types.size() == 1 ? fmt::format(" AND p.type = {} AND ", types)
                                  : fmt::format(" AND p.type IN ({}) AND ", types);
  out += compare("p.value", comparison, target);
  if (target.custom) out += *target.custom ? " AND p.custom = 1" : " AND p.custom = 0";
  return out;
}

SqlText comparison_condition(Kind kind, const FilterComparison& comparison, bool few) {
  const Target target = target_of(kind, comparison);
  if (comparison.values.empty()) return {.text = "0", .values = {}};  // IN ()
  if (!target.column.empty()) {
    if (comparison.type && *comparison.type != target.types.front()) mismatch(comparison);
    return compare(target.column, comparison, target);
  }
  SqlText out;
  out += few ? "EXISTS (SELECT 1 FROM property p WHERE "
             : "r.id IN (SELECT p.owner FROM property p WHERE ";
  out += search(kind, comparison, target, few);
  out += ")";
  return out;
}

}  // namespace

SqlText& SqlText::operator+=(const SqlText& more) {
  text += more.text;
  values.insert(values.end(), more.values.begin(), more.values.end());
  return *this;
}

void bind_all(sqlite::Statement& statement, const SqlText& sql) {
  for (const SqlValue& value : sql.values)
    std::visit([&](const auto& held) { statement.bind(held); }, value);
}

std::string kind_condition(std::string_view alias, Kind kind) {
  if (kind != Kind::any_artifact) return fmt::format("{}.kind = {}", alias, static_cast<int>(kind));
  std::string kinds;
  for (int k = static_cast<int>(Kind::model_artifact); k <= static_cast<int>(Kind::parameter); ++k)
    kinds += fmt::format("{}{}", kinds.empty() ? "" : ", ", k);
  return fmt::format("{}.kind IN ({})", alias, kinds);
}

SqlText filter_condition(Kind kind, const Filter& filter, bool few) {
  if (filter.form == Filter::Form::comparison)
    return comparison_condition(kind, filter.comparison, few);
  SqlText out;
  out += "(";
  for (std::size_t i = 0; i < filter.parts.size(); ++i) {
    if (i > 0) out += filter.form == Filter::Form::all ? " AND " : " OR ";
    out += filter_condition(kind, filter.parts[i], few);
  }
  out += ")";
  return out;
}

std::vector<SqlText> leading_searches(Kind kind, const Filter& filter) {
  std::vector<SqlText> out;
  if (filter.form == Filter::Form::all)
    for (const Filter& part : filter.parts)
      for (SqlText& found : leading_searches(kind, part)) out.push_back(std::move(found));
  if (filter.form != Filter::Form::comparison || kind == Kind::any_artifact) return out;
  const FilterComparison& comparison = filter.comparison;
  if (comparison.op != FilterOperator::equal) return out;
  const Target target = target_of(kind, comparison);
  if (target.column.empty() && target.custom && target.types.size() == 1)
    out.push_back(search(kind, comparison, target, false));
  return out;
}

}  // namespace dray
