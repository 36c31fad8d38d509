// Errors of the REST API, in the words of the real server.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dray/base/error.h"
#include "dray/registry/records.h"

namespace dray {

Error bad_request(std::string_view message);            // 400
Error record_not_found(std::string_view message);       // 404
Error no_such_record(Kind kind, std::string_view id);   // 404
Error record_exists(Kind kind, std::string_view name);  // 409
Error required_field(std::string_view field);           // 422

/// Digits of a positive 31-bit number; else bad_request.
std::int64_t record_id(Kind kind, std::string_view text);

}  // namespace dray
