// HTTP header fields and the few field values that need parsing. All inputs are untrusted.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dray/base/bytes.h"

namespace dray::http {

/// Header fields in order; names compare without case.
class Headers {
 public:
  void add(std::string name, std::string value);
  void set(std::string name, std::string value);  // replaces all of that name
  void remove(std::string_view name);
  /// First value, or nullopt.
  std::optional<std::string> get(std::string_view name) const;
  std::vector<std::string> all(std::string_view name) const;
  bool has(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// Content-Range: "bytes a-b/total" (RFC 9110 section 14.4); total "*" gives no total. nullopt if
/// malformed.
struct ContentRange {
  ByteRange range;
  std::optional<std::uint64_t> total;
};
std::optional<ContentRange> parse_content_range(std::string_view value);

/// One link of a Link header (RFC 8288).
struct Link {
  std::string target;  // as written between < and >
  std::string rel;     // lower case; several types stay one text; "" if absent
};
/// All links; malformed input gives what could be read before it. At most 100 links.
std::vector<Link> parse_link(std::string_view value);

/// Retry-After: integer seconds or an HTTP date (relative to now), capped at one hour.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view value);

/// The Hub's `RateLimit: "api";r=0;t=37` (IETF draft-ietf-httpapi-ratelimit-headers): remaining and
/// reset seconds.
struct RateLimitState {
  std::uint64_t remaining = 0;
  std::chrono::seconds reset{0};
};
std::optional<RateLimitState> parse_rate_limit(std::string_view value);

/// The tag without W/ and quotes.
std::string bare_etag(std::string_view value);
/// The request id to quote in an error: X-Request-Id, x-amz-request-id, X-Amzn-Trace-Id,
/// X-Amz-Cf-Id; or "".
std::string request_id(const Headers& headers);

}  // namespace dray::http
