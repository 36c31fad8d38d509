// Custom properties and what of a resource can be searched for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dray/base/json.h"
#include "dray/registry/record_kind.h"

namespace dray {

/// Types of searchable values, as stored.
enum class ValueType : std::uint8_t { text = 1, integer, number, boolean };

struct SearchValue {
  std::string name;
  bool custom = false;  // a custom property; else a field
  ValueType type = ValueType::text;
  std::variant<std::int64_t, double, std::string> value;
};

/// Throws bad_request unless it is an object of MetadataValues that the API takes: one value each,
/// of the type that `metadataType` states; integers of 32 bits; structures in base64; no protocol
/// buffers.
void check_properties(const Json& properties);

/// What filterQuery can see of a resource beside its name, ids and times. Long texts (readme,
/// logo), lists and structures are left out.
std::vector<SearchValue> search_values(const KindInfo& kind, const Json& document);

bool is_searchable(const Field& field);
/// Kept in a column of its own: name, externalId, id and the times of the resource.
bool is_column(const Field& field);
/// Of searchable fields.
ValueType search_type(const Field& field);

}  // namespace dray
