#include "dray/http/url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "dray/base/bytes.h"
#include "dray/base/error.h"

namespace dray::http {

namespace {

constexpr std::size_t kMaxUrl = 64 << 10;
constexpr std::size_t kMaxShown = 1000;
constexpr std::size_t kMaxBareKey = 32;

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_alpha(c) || is_digit(c); }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

int default_port(std::string_view scheme) { return scheme == "https" ? 443 : 80; }

/// The text is left out of these errors: it may hold a password or a signature.
[[noreturn]] void malformed(std::string_view why) {
  throw Error(Code::malformed, "malformed URL: " + std::string(why));
}

void check_characters(std::string_view text) {
  if (text.size() > kMaxUrl) malformed("longer than 64 KiB");
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7F) malformed("a space or control character");
    // Some parsers read '\' as '/': two readings of where the host ends are one too many.
    if (c == '\\') malformed("a backslash");
  }
}

bool is_ipv6(const std::string& text) {
  std::array<unsigned char, 16> address{};
  return ::inet_pton(AF_INET6, text.c_str(), address.data()) == 1;
}

std::string parse_host(std::string_view text) {
  if (text.starts_with('[')) {
    if (!text.ends_with(']') || !is_ipv6(std::string(text.substr(1, text.size() - 2))))
      malformed("not an IPv6 address between brackets");
    return lower(text);
  }
  if (text.empty()) malformed("no host");
  if (text.size() > 255) malformed("a host name longer than 255 characters");
  for (const char c : text)
    if (!is_alnum(c) && c != '-' && c != '.' && c != '_')
      malformed("a character that host names cannot have");
  return lower(text);
}

int parse_port(std::string_view text, std::string_view scheme) {
  if (text.empty()) return default_port(scheme);
  int port = 0;
  for (const char c : text) {
    if (!is_digit(c)) malformed("the port is not a number");
    port = port * 10 + (c - '0');
    if (port > 65535) malformed("the port is above 65535");
  }
  if (port == 0) malformed("the port is zero");
  return port;
}

/// Sets path and query from what follows the authority; drops the fragment.
void set_target(Url& url, std::string_view target) {
  target = target.substr(0, target.find('#'));
  const std::size_t question = target.find('?');
  url.path = target.substr(0, question);
  if (url.path.empty()) url.path = "/";
  url.query = question == std::string_view::npos ? "" : target.substr(question + 1);
}

/// RFC 3986 section 5.2.4, for paths that start with '/'.
std::string remove_dot_segments(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::size_t next = std::min(path.find('/', 1), path.size());
    const std::string_view segment = path.substr(0, next);  // with its leading '/'
    path.remove_prefix(next);
    if (segment != "/." && segment != "/..") {
      out += segment;
      continue;
    }
    if (segment == "/..") out.erase(std::min(out.rfind('/'), out.size()));
    if (path.empty()) out += '/';  // a dot segment at the end leaves the folder
  }
  return out.empty() ? "/" : out;
}

/// Whether `text` starts with "scheme:" (RFC 3986 section 3.1).
bool has_scheme(std::string_view text) {
  if (text.empty() || !is_alpha(text.front())) return false;
  for (const char c : text) {
    if (c == ':') return true;
    if (!is_alnum(c) && c != '+' && c != '-' && c != '.') return false;
  }
  return false;
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void append_escape(std::string& out, char c) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  out += '%';
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

}  // namespace

bool Url::has_default_port() const { return port == default_port(scheme); }

std::string Url::authority() const {
  return has_default_port() ? host : host + ":" + std::to_string(port);
}

std::string Url::origin() const { return scheme + "://" + authority(); }

std::string Url::text() const { return origin() + path + (query.empty() ? "" : "?" + query); }

std::string Url::shown() const {
  std::string out = origin();
  const auto append = [&out](std::string_view part) {
    for (const char c : part) {
      if (static_cast<unsigned char>(c) < 0x80)
        out += c;
      else
        append_escape(out, c);
    }
  };
  append(path);
  char separator = '?';
  std::string_view rest = query;
  while (!rest.empty() && out.size() < kMaxShown) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    const std::size_t equals = pair.find('=');
    out += separator;
    separator = '&';
    // A long text without '=' may be a token and not a name.
    if (equals == std::string_view::npos && pair.size() <= kMaxBareKey)
      append(pair);
    else if (equals != std::string_view::npos)
      append(std::string(pair.substr(0, equals)) + "=...");
    else
      out += "...";
  }
  if (out.size() > kMaxShown) {
    out.resize(kMaxShown);
    out += "...";
  }
  return out;
}

Url parse_url(std::string_view text) {
  check_characters(text);
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) malformed("not an absolute http(s) URL");
  Url url;
  url.scheme = lower(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") malformed("the scheme is not http or https");
  text.remove_prefix(colon + 3);

  std::string_view authority = text.substr(0, text.find_first_of("/?#"));
  text.remove_prefix(authority.size());
  if (authority.find('@') != std::string_view::npos)
    malformed("user name and password are not accepted in URLs");
  const std::size_t bracket = authority.rfind(']');
  const std::size_t port = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  url.host = parse_host(authority.substr(0, port));
  url.port =
      parse_port(port == std::string_view::npos ? "" : authority.substr(port + 1), url.scheme);
  set_target(url, text);
  return url;
}

Url resolve(const Url& base, std::string_view reference) {
  check_characters(reference);
  if (has_scheme(reference) || reference.starts_with("//")) {
    const bool absolute = !reference.starts_with('/');
    Url url =
        parse_url(absolute ? std::string(reference) : base.scheme + ":" + std::string(reference));
    url.path = remove_dot_segments(url.path);
    return url;
  }
  Url url = base;
  reference = reference.substr(0, reference.find('#'));
  if (reference.empty()) return url;
  if (reference.starts_with('?')) {
    url.query = reference.substr(1);
  } else {
    const std::string folder =
        reference.starts_with('/') ? "" : base.path.substr(0, base.path.rfind('/') + 1);
    set_target(url, folder + std::string(reference));
    url.path = remove_dot_segments(url.path);
  }
  if (url.text().size() > kMaxUrl) malformed("longer than 64 KiB");
  return url;
}

bool is_loopback(const Url& url) {
  if (url.host == "localhost" || url.host == "[::1]") return true;
  std::array<unsigned char, 4> address{};
  return ::inet_pton(AF_INET, url.host.c_str(), address.data()) == 1 && address[0] == 127;
}

std::string percent_encode(std::string_view text, bool keep_slash) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const bool plain = is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain || (c == '/' && keep_slash))
      out += c;
    else
      append_escape(out, c);
  }
  return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query) {
  // A piece with a malformed escape is kept as it was written.
  const auto decoded = [](std::string_view piece) {
    return percent_decode(piece).value_or(std::string(piece));
  };
  std::vector<std::pair<std::string, std::string>> out;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    out.emplace_back(decoded(pair.substr(0, equals)),
                     equals == std::string_view::npos ? "" : decoded(pair.substr(equals + 1)));
  }
  return out;
}

}  // namespace dray::http
