// Wall-clock times as text, and waiting that can be stopped.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace dray {

/// Seconds since 1970 UTC.
using UnixTime = std::int64_t;

UnixTime unix_now();
/// "2026-08-07T12:34:56Z".
std::string rfc3339(UnixTime time);
/// Accepts fractions of a second (dropped) and offsets; nullopt if malformed.
std::optional<UnixTime> parse_rfc3339(std::string_view text);
/// "Fri, 07 Aug 2026 12:34:56 GMT" (RFC 9110 section 5.6.7, IMF-fixdate).
std::string http_date(UnixTime time);
std::optional<UnixTime> parse_http_date(std::string_view text);

/// Waits, and returns early (false) when `stop` is requested.
bool wait_for(std::stop_token stop, std::chrono::milliseconds duration);
/// Throws Code::cancelled if `stop` was requested.
void throw_if_stopped(const std::stop_token& stop);

}  // namespace dray
