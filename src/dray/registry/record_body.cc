#include "dray/registry/record_body.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "dray/registry/number_text.h"
#include "dray/registry/record_errors.h"
#include "dray/registry/record_property.h"

namespace dray {

namespace {

using Form = RecordBody::Form;

constexpr JsonLimits kLimits = {.bytes = 4 << 20, .depth = 16};
// As in the real server's tables, where the parent's id stands before the name.
constexpr std::size_t kLongestName = 240;

[[noreturn]] void wrong_type(std::string_view field, std::string_view expected) {
  throw bad_request(fmt::format("field \"{}\" must be {}", field, expected));
}

bool is_number_text(const Json& value, std::int64_t least, std::int64_t most) {
  if (!value.is_string()) return false;
  const auto number = whole_number<std::int64_t>(value.get_ref<const std::string&>());
  return number && *number >= least && *number <= most;
}

bool is_one_of(std::string_view choices, std::string_view value) {
  while (!choices.empty()) {
    const auto end = std::min(choices.find(' '), choices.size());
    if (choices.substr(0, end) == value) return true;
    choices.remove_prefix(std::min(end + 1, choices.size()));
  }
  return false;
}

void check_name(std::string_view field, const Json& value) {
  if (!value.is_string()) wrong_type(field, "a string");
  const auto& text = value.get_ref<const std::string&>();
  if (text.size() > kLongestName)
    throw bad_request(
        fmt::format("field \"{}\" is longer than {} characters", field, kLongestName));
  if (text.find('\0') != std::string::npos)
    throw bad_request(fmt::format("field \"{}\" holds a NUL character", field));
}

void check_value(const Field& field, const Json& value) {
  switch (field.type) {
    case FieldType::text:
      if (!value.is_string()) wrong_type(field.name, "a string");
      return;
    case FieldType::name:
      return check_name(field.name, value);
    case FieldType::texts:
      if (!value.is_array() || !std::all_of(value.begin(), value.end(),
                                            [](const Json& item) { return item.is_string(); }))
        wrong_type(field.name, "an array of strings");
      return;
    case FieldType::choice:
      if (!value.is_string() || !is_one_of(field.choices, value.get_ref<const std::string&>()))
        wrong_type(field.name, fmt::format("one of: {}", field.choices));
      return;
    case FieldType::id:
      if (!is_number_text(value, 0, INT32_MAX)) wrong_type(field.name, "a string of digits: an id");
      return;
    case FieldType::millis:
      if (!is_number_text(value, INT64_MIN, INT64_MAX))
        wrong_type(field.name, "a string of digits: milliseconds since 1970");
      return;
    case FieldType::integer:
      if (!value.is_number_integer() ||
          (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX))
        wrong_type(field.name, "an integer");
      return;
    case FieldType::number:
      if (!value.is_number()) wrong_type(field.name, "a number");
      return;
    case FieldType::properties:
      return check_properties(value);
  }
}

bool is_allowed(const Field& field, Form form) {
  switch (field.use) {
    case FieldUse::open:
      return true;
    case FieldUse::fixed:
      return form != Form::update;
    case FieldUse::server:
    case FieldUse::address:
      return form == Form::whole;
  }
  return false;
}

bool is_zero(const Json& fields, std::string_view name) {
  const auto found = fields.find(name);
  return found == fields.end() ||
         (found->is_string() && found->get_ref<const std::string&>().empty());
}

/// The kind that the body of an artifact names.
Kind stated_kind(const Json& body, Form form) {
  const auto type = body.find("artifactType");
  if (type == body.end() || type->is_null()) {
    if (form == Form::update) return Kind::any_artifact;
    throw bad_request("field \"artifactType\" is missing");
  }
  std::optional<Kind> kind;
  if (type->is_string()) kind = kind_of_artifact_type(type->get_ref<const std::string&>());
  if (!kind)
    throw bad_request(
        "field \"artifactType\" must be one of: model-artifact doc-artifact dataset-artifact "
        "metric parameter");
  return *kind;
}

void check_artifact_type(const KindInfo& info, const Json& value) {
  if (value != Json(info.artifact_type))
    throw bad_request(fmt::format("field \"artifactType\" must be \"{}\"", info.artifact_type));
}

}  // namespace

RecordBody check_body(Kind kind, Form form, Json body) {
  if (!body.is_object()) throw bad_request("the body is not a JSON object");
  const bool polymorphic = kind == Kind::any_artifact;
  if (polymorphic) kind = stated_kind(body, form);
  RecordBody out{.kind = kind, .form = form, .fields = Json::object()};
  if (kind == Kind::any_artifact) {  // checked when it is known which artifact is changed
    out.fields = std::move(body);
    return out;
  }
  const KindInfo& info = kind_info(kind);
  for (auto& [name, value] : body.get_ref<Json::object_t&>()) {
    const Field* field = info.field(name);
    if (field == nullptr || !is_allowed(*field, form)) {
      if (polymorphic) continue;
      throw bad_request(fmt::format("unknown field \"{}\"", name.substr(0, 100)));
    }
    if (value.is_null()) continue;
    check_value(*field, value);
    if (field->name == "artifactType") check_artifact_type(info, value);
    if (field->use == FieldUse::address) out.id = value.get<std::string>();
    if (field->use == FieldUse::open || field->use == FieldUse::fixed)
      out.fields.emplace(name, std::move(value));
  }
  if (form != Form::update) {
    for (const Field& field : info.fields)
      if (field.required && is_zero(out.fields, field.name)) throw required_field(field.name);
    // The real server states it where the route is for model artifacts alone, and nowhere else.
    if (!polymorphic && is_artifact(kind)) out.fields.emplace("state", "UNKNOWN");
  }
  return out;
}

RecordBody read_body(Kind kind, Form form, std::string_view text) {
  std::optional<Json> body;
  try {
    body = parse_json(text, "body", kLimits);
  } catch (const Error& error) {
    throw bad_request(error.message());
  }
  return check_body(kind, form, *std::move(body));
}

}  // namespace dray
