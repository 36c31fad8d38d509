#include "dray/oci/auth_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/error.h"

namespace dray::oci {

namespace {

constexpr JsonLimits kLimits{.bytes = 1 << 20, .depth = 16};
constexpr std::size_t kLongestHelper = 64;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

/// One spelling for each registry.
std::string canonical_host(std::string_view text) {
  std::string out = lower(text);
  if (is_docker_hub(out)) return "docker.io";
  if (out.ends_with(":443")) out.resize(out.size() - 4);
  return out;
}

/// "host" or "host/org/name" in one spelling.
std::string canonical_key(std::string_view key) {
  if (const std::size_t scheme = key.find("://"); scheme != std::string_view::npos)
    key.remove_prefix(scheme + 3);
  while (key.ends_with('/')) key.remove_suffix(1);
  const std::size_t slash = std::min(key.find('/'), key.size());
  const std::string_view path = key.substr(slash);
  std::string out = canonical_host(key.substr(0, slash));
  if (path != "/v1" && path != "/v2") out += path;
  return out;
}

bool is_helper_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestHelper && name.front() != '-' &&
         name.front() != '.' && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

/// Keys that fit the reference, the best first.
std::vector<std::string> matching_keys(const Json& entries, const Reference& reference) {
  std::vector<std::pair<std::size_t, std::string>> found;
  for (const auto& [key, value] : entries.items())
    if (const auto length = match_length(key, reference)) found.emplace_back(*length, key);
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> out;
  for (auto& [length, key] : found) out.push_back(std::move(key));
  return out;
}

}  // namespace

std::optional<std::size_t> match_length(std::string_view key, const Reference& reference) {
  const std::string wanted = canonical_key(key);
  const std::string have = canonical_host(reference.host) + "/" + reference.repository;
  if (wanted.empty() || !(have + "/").starts_with(wanted + "/")) return std::nullopt;
  return wanted.size();
}

AuthFile::AuthFile(std::string_view text, std::string name, Kind kind) : name_(std::move(name)) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // written by Windows editors
  Json root;
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    root = Json::object();  // podman and mounts make empty files
  else
    root = parse_json(text, name_, kLimits);
  if (!root.is_object()) refuse("not a JSON object");
  const auto take = [&](const char* key, Json& place) {
    const auto found = root.find(key);
    if (found == root.end() || found->is_null()) return;
    if (!found->is_object()) refuse(fmt::format("\"{}\" must be an object", key));
    place = std::move(*found);
  };
  if (kind == Kind::legacy) {
    auths_ = std::move(root);
    return;
  }
  take("auths", auths_);
  take("credHelpers", helpers_);
  if (const auto found = root.find("credsStore"); found != root.end()) general_ = *found;
}

void AuthFile::refuse(std::string message) const {
  throw Error(Code::malformed, std::move(message)).on("read", name_).from(Side::local);
}

std::optional<Credentials> AuthFile::stored(const Reference& reference) const {
  for (const std::string& key : matching_keys(auths_, reference)) {
    Credentials found = read_entry(auths_[key], key);
    if (!found.empty()) return found;
  }
  return std::nullopt;
}

Credentials AuthFile::read_entry(const Json& entry, const std::string& key) const {
  Credentials out;
  out.origin = name_;
  const std::string what = fmt::format("{}: the entry for {}", name_, key);
  if (entry.is_null()) return out;
  const auto text = [&](const char* field) { return find_string(entry, field, what).value_or(""); };
  out.user = text("username");
  out.password = Secret(text("password"));
  out.identity_token = Secret(text("identitytoken"));
  out.registry_token = Secret(text("registrytoken"));
  const Secret encoded(text("auth"));
  if (encoded.empty()) return out;
  const auto bytes = from_base64(encoded.reveal());
  const std::string_view pair = bytes ? as_text(*bytes) : "";
  const std::size_t colon = pair.find(':');
  if (colon == std::string_view::npos)
    throw Error(Code::malformed, "\"auth\" is not the base64 form of USER:PASSWORD")
        .on("read", what)
        .from(Side::local)
        .hint("log in again with `podman login` or `docker login`");
  out.user = pair.substr(0, colon);
  std::string_view password = pair.substr(colon + 1);
  while (password.ends_with('\0')) password.remove_suffix(1);  // some tools pad with them
  out.password = Secret(std::string(password));
  return out;
}

std::optional<std::string> AuthFile::helper(const Reference& reference) const {
  const auto keys = matching_keys(helpers_, reference);
  if (keys.empty()) return std::nullopt;
  return checked_helper(helpers_[keys.front()], "credHelpers");
}

std::optional<std::string> AuthFile::general_helper() const {
  const std::string name = checked_helper(general_, "credsStore");
  return name.empty() ? std::nullopt : std::optional(name);
}

std::string AuthFile::checked_helper(const Json& name, std::string_view key) const {
  if (name.is_null()) return "";
  if (!name.is_string()) refuse(fmt::format("\"{}\" must name helpers by strings", key));
  const auto& text = name.get_ref<const std::string&>();
  if (!text.empty() && !is_helper_name(text))
    refuse(fmt::format("\"{}\" holds what cannot be the name of a helper", key));
  return text;
}

}  // namespace dray::oci
