// URLs (RFC 3986), as far as HTTP clients of this kind need them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dray::http {

/// An absolute http(s) URL, split. `path` and `query` stay percent-encoded exactly as given.
struct Url {
  std::string scheme;  // "http" or "https", lower case
  std::string host;    // lower case; IPv6 with brackets; no user information
  int port = 0;        // explicit or the scheme's default
  std::string path;    // starts with '/'
  std::string query;   // without '?', may be empty
  bool has_default_port() const;
  /// "https://host[:port]": what decides where credentials may go.
  std::string origin() const;
  /// "host[:port]", the port only where it is not the default.
  std::string authority() const;
  std::string text() const;
  /// `text()` without the query's values: safe to show in logs and errors (signed URLs).
  std::string shown() const;
  bool operator==(const Url&) const = default;
};

/// Throws Code::malformed on anything but an absolute http(s) URL without user information, at most
/// 64 KiB, without spaces or control characters. A fragment is dropped.
Url parse_url(std::string_view text);
/// Resolves `reference` (absolute, scheme-relative, absolute-path, relative, query-only) against
/// `base`.
Url resolve(const Url& base, std::string_view reference);
bool is_loopback(const Url& url);

/// Encodes all but unreserved characters (RFC 3986 section 2.3); '/' too unless `keep_slash`.
std::string percent_encode(std::string_view text, bool keep_slash = false);
/// nullopt when an escape is malformed.
std::optional<std::string> percent_decode(std::string_view text);
/// Decoded key and value pairs of a query; '+' stays '+'.
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);

}  // namespace dray::http
