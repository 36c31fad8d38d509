#include "dray/registry/record_property.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/registry/number_text.h"
#include "dray/registry/record_errors.h"

namespace dray {

namespace {

constexpr std::size_t kLongestPropertyName = 255;
constexpr std::size_t kMostProperties = 1000;
constexpr JsonLimits kStructLimits = {.bytes = 1 << 20, .depth = 32};
constexpr std::string_view kCustomProperties = "customProperties";

/// For values that are strings.
template <typename Number>
std::optional<Number> number_in(const Json& value) {
  return whole_number<Number>(value.get_ref<const std::string&>());
}

[[noreturn]] void refuse(std::string_view name, std::string_view problem) {
  throw bad_request(
      fmt::format("custom property \"{}\": {}", name.substr(0, kLongestPropertyName), problem));
}

void check_struct(std::string_view name, const Json& value) {
  const auto bytes = from_base64(value.get_ref<const std::string&>());
  if (!bytes) refuse(name, "struct_value must be base64");
  try {
    const Json held = parse_json(as_text(*bytes), "struct_value", kStructLimits);
    if (!held.is_object()) refuse(name, "struct_value must hold a JSON object");
  } catch (const Error& error) {
    refuse(name, error.message());
  }
}

struct MetadataType {
  std::string_view name, key;
  bool (*fits)(const Json& value);
  std::string_view expected;
};

bool is_int32_text(const Json& value) {
  return value.is_string() && number_in<std::int32_t>(value).has_value();
}

constexpr MetadataType kTypes[] = {
    {"MetadataStringValue", "string_value", [](const Json& v) { return v.is_string(); },
     "a string"},
    {"MetadataIntValue", "int_value", is_int32_text, "a string of digits, an integer of 32 bits"},
    {"MetadataDoubleValue", "double_value", [](const Json& v) { return v.is_number(); },
     "a number"},
    {"MetadataBoolValue", "bool_value", [](const Json& v) { return v.is_boolean(); },
     "true or false"},
    {"MetadataStructValue", "struct_value", [](const Json& v) { return v.is_string(); },
     "a string"},
};

const MetadataType* metadata_type(const Json& property) {
  const auto stated = property.find("metadataType");
  if (stated == property.end() || !stated->is_string()) return nullptr;
  for (const MetadataType& type : kTypes)
    if (type.name == stated->get_ref<const std::string&>()) return &type;
  return nullptr;
}

void check_property(std::string_view name, const Json& property) {
  if (name.empty() || name.size() > kLongestPropertyName || name.find('\0') != name.npos)
    refuse(name, fmt::format("its name must have 1 to {} characters", kLongestPropertyName));
  if (!property.is_object()) refuse(name, "must be an object with a metadataType");
  const MetadataType* type = metadata_type(property);
  if (type == nullptr) refuse(name, "metadataType is missing or none that is known");
  const auto value = property.find(type->key);
  if (value == property.end() || !type->fits(*value))
    refuse(name, fmt::format("{} must be {}", type->key, type->expected));
  if (property.size() != 2) refuse(name, fmt::format("only {} may be stated", type->key));
  if (type->key == "struct_value") check_struct(name, *value);
}

SearchValue custom_value(const std::string& name, const MetadataType& type, const Json& value) {
  SearchValue out{.name = name, .custom = true};
  if (type.key == "string_value") {
    out.value = value.get<std::string>();
  } else if (type.key == "int_value") {
    out.type = ValueType::integer;
    out.value = std::int64_t{number_in<std::int32_t>(value).value_or(0)};
  } else if (type.key == "double_value") {
    out.type = ValueType::number;
    out.value = value.get<double>();
  } else {
    out.type = ValueType::boolean;
    out.value = std::int64_t{value.get<bool>()};
  }
  return out;
}

SearchValue field_value(const Field& field, const Json& value) {
  SearchValue out{.name = std::string(field.name), .type = search_type(field)};
  switch (out.type) {
    case ValueType::text:
    case ValueType::boolean:
      out.value = value.get<std::string>();
      break;
    case ValueType::integer:
      out.value = value.is_string() ? number_in<std::int64_t>(value).value_or(0)
                                    : value.get<std::int64_t>();
      break;
    case ValueType::number:
      out.value = value.get<double>();
      break;
  }
  return out;
}

}  // namespace

void check_properties(const Json& properties) {
  if (!properties.is_object()) throw bad_request("field \"customProperties\" must be an object");
  if (properties.size() > kMostProperties)
    throw bad_request(fmt::format("more than {} custom properties", kMostProperties));
  for (const auto& [name, property] : properties.items()) check_property(name, property);
}

bool is_searchable(const Field& field) {
  switch (field.type) {
    case FieldType::texts:
    case FieldType::properties:
      return false;
    default:
      return field.name != "readme" && field.name != "logo" && field.name != "artifactType";
  }
}

bool is_column(const Field& field) {
  return field.type == FieldType::name || field.use == FieldUse::address ||
         (field.use == FieldUse::server && field.type == FieldType::millis);
}

ValueType search_type(const Field& field) {
  switch (field.type) {
    case FieldType::id:
    case FieldType::millis:
    case FieldType::integer:
      return ValueType::integer;
    case FieldType::number:
      return ValueType::number;
    default:
      return ValueType::text;
  }
}

std::vector<SearchValue> search_values(const KindInfo& kind, const Json& document) {
  std::vector<SearchValue> out;
  for (const auto& [name, value] : document.items()) {
    if (name == kCustomProperties) continue;
    const Field* field = kind.field(name);
    if (field != nullptr && is_searchable(*field) && !is_column(*field))
      out.push_back(field_value(*field, value));
  }
  const auto properties = document.find(kCustomProperties);
  if (properties == document.end()) return out;
  for (const auto& [name, property] : properties->items())
    if (const MetadataType* type = metadata_type(property);
        type != nullptr && type->key != "struct_value")
      out.push_back(custom_value(name, *type, property.at(std::string(type->key))));
  return out;
}

}  // namespace dray
