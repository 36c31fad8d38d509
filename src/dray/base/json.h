// Reading JSON from outside: limits, and getters whose errors name the field.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dray {

using Json = nlohmann::json;

struct JsonLimits {
  std::size_t bytes = 64 << 20;
  int depth = 64;
};

/// Parses UTF-8 JSON. Duplicate keys, bytes or depth above the limits, invalid UTF-8 and trailing
/// text are Code::malformed; `what` names the document in the error ("manifest of llama:1.0.0").
Json parse_json(std::string_view text, std::string_view what, JsonLimits limits = {});

/// Compact text; invalid UTF-8 in strings is replaced, never thrown.
std::string dump_json(const Json& value);
/// Two-space indentation and a final newline.
std::string dump_json_pretty(const Json& value);

// Getters: `get_…` throw Code::malformed naming `what` and the key when the field is missing or has
// another type; `find_…` give nullopt when it is missing or null, and throw on another type.
const Json& get_object(const Json& value, std::string_view key, std::string_view what);
const Json& get_array(const Json& value, std::string_view key, std::string_view what);
std::string get_string(const Json& value, std::string_view key, std::string_view what);
std::uint64_t get_u64(const Json& value, std::string_view key, std::string_view what);
std::optional<std::string> find_string(const Json& value, std::string_view key,
                                       std::string_view what);
std::optional<std::uint64_t> find_u64(const Json& value, std::string_view key,
                                      std::string_view what);
std::optional<bool> find_bool(const Json& value, std::string_view key, std::string_view what);

}  // namespace dray
