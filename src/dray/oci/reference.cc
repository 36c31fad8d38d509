#include "dray/oci/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "dray/base/error.h"

namespace dray::oci {

namespace {

constexpr std::size_t kMaxText = 1024;
constexpr std::size_t kMaxName = 255;  // host, '/' and repository: what clients commonly allow
constexpr std::string_view kSha256 = "sha256:";
constexpr std::string_view kHex = "0123456789abcdef";

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_lower(c) || is_upper(c) || is_digit(c) || c == '_'; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (is_upper(c)) c = static_cast<char>(c - 'A' + 'a');
  return out;
}

/// What may be shown of a reference: what stands before an '@' that begins no digest may be a
/// password, and is left out.
std::string shown(std::string_view text) {
  const std::size_t at = text.rfind('@');
  const std::string_view rest = at == std::string_view::npos ? "" : text.substr(at + 1);
  const bool is_digest = rest.starts_with("sha") && text.find('@') == at;
  if (at == std::string_view::npos || is_digest) return std::string(text);
  return "…@" + std::string(rest);
}

Error wrong(std::string_view text, std::string why) {
  return Error(Code::usage, std::move(why))
      .on("read reference", shown(text))
      .hint("write oci://HOST/REPOSITORY:TAG, such as oci://registry.example/org/name:1.0.0");
}

/// The text in its parts, not yet judged.
struct Parts {
  std::string_view scheme, host, repository, tag, digest;
  bool has_tag = false, has_digest = false;
};

/// Docker's rule for names without a host.
bool can_be_docker_host(std::string_view part) {
  return part == "localhost" || part.find_first_of(".:") != std::string_view::npos;
}

Parts split(std::string_view text) {
  Parts out;
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) throw wrong(text, "a reference begins with oci://");
  out.scheme = text.substr(0, colon);
  constexpr std::array schemes = {"oci", "oci+http", "oci+https", "docker"};
  if (std::find(schemes.begin(), schemes.end(), out.scheme) == schemes.end())
    throw wrong(text, "this does not begin with oci://");
  std::string_view rest = text.substr(colon + 3);
  const std::size_t slash = rest.find('/');
  out.host = rest.substr(0, slash);
  if (out.scheme == "docker" && (slash == std::string_view::npos || !can_be_docker_host(out.host)))
    out.host = "docker.io";
  else if (slash == std::string_view::npos)
    throw wrong(text, "no repository is named");
  else
    rest.remove_prefix(slash + 1);
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    out.has_digest = true;
    out.digest = rest.substr(at + 1);
    rest = rest.substr(0, at);
  }
  if (const std::size_t at = rest.rfind(':');
      at != std::string_view::npos && rest.find('/', at) == std::string_view::npos) {
    out.has_tag = true;
    out.tag = rest.substr(at + 1);
    rest = rest.substr(0, at);
  }
  out.repository = rest;
  return out;
}

/// Host and port in the form that references carry.
std::string checked_host(std::string_view text, std::string_view host) {
  if (host.find('@') != std::string_view::npos)
    throw wrong(text, "user name and password are not accepted in references")
        .hint("log in with `podman login` or `docker login`, or set REGISTRY_AUTH_FILE");
  if (host.empty()) throw wrong(text, "no host is named");
  if (host.find_first_of("?#") != std::string_view::npos || host.back() == ':')
    throw wrong(text, "this is not a host");
  try {
    const http::Url url = http::parse_url("https://" + std::string(host) + "/");
    const bool has_port = host.find(':', host.rfind(']') + 1) != std::string_view::npos;
    return has_port ? fmt::format("{}:{}", url.host, url.port) : url.host;
  } catch (const Error& error) {
    throw wrong(text, error.message());
  }
}

[[noreturn]] void refuse_repository(std::string_view text, const Parts& parts) {
  const std::string lowered = lower(parts.repository);
  if (parts.repository.empty()) throw wrong(text, "no repository is named");
  if (lowered == parts.repository || !is_repository(lowered))
    throw wrong(text,
                "a repository has lower-case letters and digits in parts between '/', joined by "
                "'.', '_', '__' or '-'");
  std::string meant = fmt::format("{}://{}/{}", parts.scheme, parts.host, lowered);
  if (parts.has_tag) meant += fmt::format(":{}", parts.tag);
  if (parts.has_digest) meant += fmt::format("@{}", parts.digest);
  throw wrong(text, "a repository has no upper-case letters").hint("write " + meant);
}

void check_digest(std::string_view text, std::string_view digest) {
  if (is_digest(digest)) return;
  const std::string_view algorithm = digest.substr(0, digest.find(':'));
  if (algorithm.size() < digest.size() && !algorithm.empty() && algorithm != "sha256" &&
      std::all_of(algorithm.begin(), algorithm.end(),
                  [](char c) { return is_lower(c) || is_digit(c) || c == '+' || c == '-'; }))
    throw Error(Code::unsupported, "only SHA-256 digests are supported")
        .on("read reference", shown(text))
        .hint("name the content by its tag, or by a digest of the form sha256:…");
  throw wrong(text, "a digest is 'sha256:' and 64 lower-case hexadecimal digits");
}

http::Url url_of(const std::string& host, bool plain_http) {
  return http::parse_url((plain_http ? "http://" : "https://") + host);
}

bool is_on_loopback(const std::string& host) { return http::is_loopback(url_of(host, true)); }

}  // namespace

bool is_repository(std::string_view name) {
  std::size_t i = 0;
  const auto word = [&] {
    const std::size_t begin = i;
    while (i < name.size() && (is_lower(name[i]) || is_digit(name[i]))) ++i;
    return i > begin;
  };
  while (true) {
    if (!word()) return false;
    if (i == name.size()) return true;
    const char joint = name[i];
    std::size_t length = 1;
    while (i + length < name.size() && name[i + length] == joint) ++length;
    const std::size_t most = joint == '-' ? name.size() : joint == '_' ? 2 : 1;
    if ((joint != '.' && joint != '_' && joint != '-' && joint != '/') || length > most)
      return false;
    i += length;
  }
}

bool is_tag(std::string_view tag) {
  return !tag.empty() && tag.size() <= 128 && is_word(tag.front()) &&
         std::all_of(tag.begin(), tag.end(),
                     [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

bool is_digest(std::string_view digest) {
  return digest.starts_with(kSha256) && digest.size() == kSha256.size() + 64 &&
         digest.find_first_not_of(kHex, kSha256.size()) == std::string_view::npos;
}

std::string Reference::text() const {
  std::string out = "oci";
  if (plain_http != is_on_loopback(host)) out += plain_http ? "+http" : "+https";
  out += "://" + host + "/" + repository;
  if (!tag.empty()) out += ":" + tag;
  if (!digest.empty()) out += "@" + digest;
  return out;
}

std::string Reference::last_part() const { return repository.substr(repository.rfind('/') + 1); }

bool is_docker_hub(std::string_view host) {
  return host == "docker.io" || host == "index.docker.io" || host == "registry-1.docker.io";
}

std::string Reference::api_host() const {
  return is_docker_hub(host) ? "registry-1.docker.io" : host;
}

http::Url Reference::url() const { return url_of(api_host(), plain_http); }

std::string Reference::auth_key() const {
  return is_docker_hub(host) ? "https://index.docker.io/v1/" : host;
}

Reference parse_reference(std::string_view text) {
  if (text.size() > kMaxText)
    throw Error(Code::usage, fmt::format("longer than {} bytes", kMaxText))
        .on("read reference", shown(text.substr(0, 40)) + "…");
  const Parts parts = split(text);
  Reference out;
  out.host = checked_host(text, parts.host);
  if (!is_repository(parts.repository)) refuse_repository(text, parts);
  out.repository = parts.repository;
  if (is_docker_hub(out.host) && out.repository.find('/') == std::string::npos)
    out.repository = "library/" + out.repository;
  if (out.host.size() + 1 + out.repository.size() > kMaxName)
    throw wrong(
        text, fmt::format("host and repository together are longer than {} characters", kMaxName));
  if (parts.has_tag && !is_tag(parts.tag))
    throw wrong(text,
                "a tag is up to 128 letters, digits, '.', '_' and '-', and begins with a letter, "
                "digit or '_'");
  out.tag = parts.tag;
  if (parts.has_digest) check_digest(text, parts.digest);
  out.digest = parts.digest;
  out.plain_http =
      parts.scheme == "oci+http" || (parts.scheme != "oci+https" && is_on_loopback(out.host));
  return out;
}

}  // namespace dray::oci
