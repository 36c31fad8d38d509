#include "dray/s3/storage_config.h"

#include "dray/base/error.h"
#include "dray/base/json.h"

namespace dray::s3 {

namespace {

constexpr JsonLimits kLimits{.bytes = 1 << 20, .depth = 8};

[[noreturn]] void unreadable(std::string_view what, std::string_view why) {
  throw Error(Code::usage, std::string(why))
      .on("read", std::string(what))
      .from(Side::local)
      .hint(
          "expected {\"type\": \"s3\", \"endpoint_url\": …, \"access_key_id\": …} or a map of such "
          "entries");
}

/// Parses without letting the text, which holds keys, into an error.
Json parse(std::string_view text, std::string_view what) {
  try {
    return parse_json(text, what, kLimits);
  } catch (const Error&) {
    unreadable(what, "not JSON");
  }
}

std::string text_of(const Json& entry, const char* key, std::string_view what) {
  const auto found = entry.find(key);
  if (found == entry.end() || found->is_null()) return "";
  if (found->is_string()) return found->get<std::string>();
  if (found->is_boolean()) return found->get<bool>() ? "true" : "false";
  unreadable(what, std::string(key) + " is not text");
}

bool is_true(const std::string& text) { return text == "true" || text == "True" || text == "1"; }

std::optional<Settings> read_entry(const Json& entry, std::string_view what) {
  if (!entry.is_object() || text_of(entry, "type", what) != "s3") return std::nullopt;
  Settings out;
  out.endpoint = text_of(entry, "endpoint_url", what);
  out.region = text_of(entry, "region", what);
  out.bucket = text_of(entry, "bucket", what);
  if (out.bucket.empty()) out.bucket = text_of(entry, "default_bucket", what);
  out.ca_file = text_of(entry, "ca_bundle", what);
  out.access_key_id = text_of(entry, "access_key_id", what);
  out.secret_access_key = Secret(text_of(entry, "secret_access_key", what));
  out.session_token = Secret(text_of(entry, "session_token", what));
  if (const std::string verify = text_of(entry, "verify_ssl", what); !verify.empty())
    out.verify_tls = verify != "0" && verify != "false" && verify != "False";
  out.anonymous = is_true(text_of(entry, "anonymous", what));
  if (out.access_key_id.empty() != out.secret_access_key.empty())
    unreadable(what, "access_key_id and secret_access_key must both be there");
  return out;
}

}  // namespace

std::map<std::string, Settings> parse_storage_config(std::string_view json, std::string_view what) {
  const Json root = parse(json, what);
  if (!root.is_object()) unreadable(what, "not a JSON object");
  std::map<std::string, Settings> out;
  if (const auto type = root.find("type"); type != root.end() && type->is_string()) {
    if (auto entry = read_entry(root, what)) out.emplace("", std::move(*entry));
    return out;
  }
  for (const auto& [name, value] : root.items()) {
    const std::string place = std::string(what) + " " + name;
    auto entry = value.is_string() ? read_entry(parse(value.get<std::string>(), place), place)
                                   : read_entry(value, place);
    if (entry) out.emplace(name, std::move(*entry));
  }
  return out;
}

std::optional<Settings> storage_config_of(const Environment& env) {
  const auto base = env("STORAGE_CONFIG"), over = env("STORAGE_OVERRIDE_CONFIG");
  if (!base && !over) return std::nullopt;
  Json merged = parse(base.value_or("{}"), "STORAGE_CONFIG");
  const Json changes = parse(over.value_or("{}"), "STORAGE_OVERRIDE_CONFIG");
  if (!merged.is_object() || !changes.is_object())
    unreadable("STORAGE_CONFIG", "not a JSON object");
  merged.update(changes);
  return read_entry(merged, "STORAGE_CONFIG");
}

}  // namespace dray::s3
