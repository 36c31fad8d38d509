#include "dray/cli/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/cli/suggest.h"
#include "dray/cli/yaml.h"
#include "dray/model/reference.h"

namespace dray::cli {

namespace {

[[noreturn]] void fail(const std::string& file, int line, const std::string& what,
                       std::string hint = "") {
  throw Error(Code::usage, fmt::format("{}:{}: {}", file, line, what)).hint(std::move(hint));
}

/// Keys under which people would look for a place to write a secret down.
bool names_a_secret(std::string key) {
  std::ranges::replace(key, '_', '-');
  static constexpr std::string_view kKeys[] = {"token",
                                               "hf-token",
                                               "password",
                                               "secret",
                                               "secret-key",
                                               "access-key",
                                               "access-key-id",
                                               "secret-access-key",
                                               "session-token",
                                               "registry-token",
                                               "aws-secret-access-key",
                                               "aws-access-key-id"};
  return std::ranges::find(kKeys, key) != std::end(kKeys);
}

void refuse_secret(const std::string& file, const YamlNode& key, bool in_store) {
  if (!names_a_secret(key.text)) return;
  fail(file, key.line, fmt::format("'{}': secrets do not belong in this file", key.text),
       in_store ? "name the variables that hold them with `credentials: {access-key-env: …, "
                  "secret-key-env: …}`, or a profile of the AWS files with `profile`"
                : "put it into a file of its own and name that with `token-file` or "
                  "`registry-token-file`, or into the environment (HF_TOKEN)");
}

[[noreturn]] void unknown_key(const std::string& file, const YamlNode& key,
                              const std::vector<std::string>& known) {
  std::string typed = key.text;
  std::ranges::replace(typed, '_', '-');
  const std::string likely = closest(typed, known);
  fail(file, key.line, fmt::format("unknown key '{}'", key.text),
       likely.empty() ? fmt::format("known here: {}", fmt::join(known, ", "))
                      : fmt::format("did you mean '{}'?", likely));
}

std::string scalar(const std::string& file, const YamlNode& key, const YamlNode& value) {
  if (value.kind != YamlNode::Kind::scalar)
    fail(file, key.line, fmt::format("'{}' needs one value", key.text));
  return value.text;
}

bool boolean(const std::string& file, const YamlNode& key, const YamlNode& value) {
  const std::string text = scalar(file, key, value);
  if (text == "true") return true;
  if (text == "false") return false;
  fail(file, key.line, fmt::format("'{}' is true or false, not '{}'", key.text, text));
}

std::string variable_name(const std::string& file, const YamlNode& key, const YamlNode& value) {
  const std::string text = scalar(file, key, value);
  // Keys of AWS, and whatever is no identifier, are values written where a name belongs: not
  // repeated in the error.
  const auto letter = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  const bool name = !text.empty() && text.size() <= 64 && std::ranges::all_of(text, letter) &&
                    !(text[0] >= '0' && text[0] <= '9');
  const bool key_id = text.size() == 20 && (text.starts_with("AKIA") || text.starts_with("ASIA"));
  if (!name || key_id)
    fail(file, key.line, fmt::format("'{}' must be the name of an environment variable", key.text),
         "the secret itself goes into that variable, not into this file");
  return text;
}

void read_credentials(const std::string& file, const YamlNode& key, const YamlNode& value,
                      S3Access& access) {
  if (value.kind != YamlNode::Kind::map)
    fail(file, key.line, "'credentials' needs the keys access-key-env and secret-key-env");
  for (const auto& [k, v] : value.entries) {
    refuse_secret(file, k, true);
    if (k.text == "access-key-env") {
      access.access_key_env = variable_name(file, k, v);
    } else if (k.text == "secret-key-env") {
      access.secret_key_env = variable_name(file, k, v);
    } else if (k.text == "session-token-env") {
      access.session_token_env = variable_name(file, k, v);
    } else {
      unknown_key(file, k, {"access-key-env", "secret-key-env", "session-token-env"});
    }
  }
  if (access.access_key_env.empty() || access.secret_key_env.empty())
    fail(file, key.line, "'credentials' needs both access-key-env and secret-key-env");
}

/// Headers for every object made; only those of S3, and none that carries a key.
void read_headers(const std::string& file, const YamlNode& key, const YamlNode& value,
                  S3Access& access) {
  if (value.kind != YamlNode::Kind::map) fail(file, key.line, "'headers' needs names and values");
  for (const auto& [k, v] : value.entries) {
    std::string name = k.text;
    for (char& c : name)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (!name.starts_with("x-amz-") || name.find("customer-key") != std::string::npos ||
        name.find("token") != std::string::npos)
      fail(file, k.line, fmt::format("header '{}' cannot be set here", k.text),
           "x-amz- headers that say how objects are kept, like x-amz-server-side-encryption");
    access.headers.emplace_back(name, scalar(file, k, v));
  }
}

/// A key of a store that takes one text; nullptr for others.
std::string* text_field(NamedStore& store, std::string_view key) {
  if (key == "uri") return &store.uri;
  if (key == "endpoint") return &store.s3.endpoint;
  if (key == "region") return &store.s3.region;
  if (key == "ca") return &store.s3.ca_file;
  if (key == "profile") return &store.s3.profile;
  if (key == "addressing") return &store.s3.addressing;
  return nullptr;
}

void check_store(const std::string& file, const YamlNode& name, const NamedStore& store) {
  if (store.uri.empty())
    fail(file, name.line, fmt::format("store '{}' has no uri", name.text),
         "add `uri: s3://BUCKET[/PREFIX]` or `uri: dir:/PATH`");
  if (!store.s3.profile.empty() && !store.s3.access_key_env.empty())
    fail(file, name.line, fmt::format("store '{}' has both a profile and credentials", name.text),
         "keep one");
}

NamedStore read_store(const std::string& file, const YamlNode& name, const YamlNode& value) {
  NamedStore store;
  store.name = name.text;
  if (value.kind == YamlNode::Kind::scalar) {  // prod: s3://bucket
    store.uri = value.text;
    return store;
  }
  if (value.kind != YamlNode::Kind::map)
    fail(file, name.line, fmt::format("store '{}' needs a URI or keys", name.text));
  for (const auto& [key, v] : value.entries) {
    refuse_secret(file, key, true);
    if (std::string* text = text_field(store, key.text)) {
      *text = scalar(file, key, v);
    } else if (key.text == "credentials") {
      read_credentials(file, key, v, store.s3);
    } else if (key.text == "headers") {
      read_headers(file, key, v, store.s3);
    } else if (key.text == "verify-tls") {
      store.s3.verify_tls = boolean(file, key, v);
    } else if (key.text == "anonymous") {
      store.s3.anonymous = boolean(file, key, v);
    } else if (key.text == "content-md5") {
      store.s3.content_md5 = boolean(file, key, v);
    } else {
      unknown_key(file, key,
                  {"uri", "endpoint", "region", "ca", "addressing", "profile", "credentials",
                   "headers", "verify-tls", "anonymous", "content-md5"});
    }
    const std::string& how = store.s3.addressing;
    if (!how.empty() && how != "path" && how != "virtual" && how != "auto")
      fail(file, key.line, "'addressing' is auto, path or virtual");
  }
  check_store(file, name, store);
  return store;
}

std::vector<std::string> option_values(const std::string& file, const Option& option,
                                       const YamlNode& key, const YamlNode& value) {
  if (option.is_switch() && !option.many) return {boolean(file, key, value) ? "true" : "false"};
  if (option.many && value.kind == YamlNode::Kind::list) {
    std::vector<std::string> values;
    for (const auto& item : value.items) values.push_back(scalar(file, key, item));
    return values;
  }
  return {scalar(file, key, value)};
}

}  // namespace

const ConfigValue* Config::find(const Option& option) const {
  if (!option.in_config) return nullptr;
  const auto found = values_.find(config_key(option));
  return found == values_.end() ? nullptr : &found->second;
}

const ConfigStore* Config::store(const std::string& name) const {
  const auto found = stores_.find(name);
  return found == stores_.end() ? nullptr : &found->second;
}

void Config::add(std::string_view text, const std::string& file) {
  const YamlNode root = parse_yaml(text, file);
  files_.push_back(file);
  if (root.kind == YamlNode::Kind::null) return;
  if (root.kind != YamlNode::Kind::map) fail(file, root.line, "expected `key: value` lines");
  for (const auto& [key, value] : root.entries) {
    refuse_secret(file, key, false);
    if (value.kind == YamlNode::Kind::null) continue;  // a key that is left empty sets nothing
    if (key.text == "stores") {
      if (value.kind != YamlNode::Kind::map) fail(file, key.line, "'stores' needs names and URIs");
      for (const auto& [name, store] : value.entries) {
        try {
          check_name(name.text, "name of a store");
        } catch (const Error& e) {
          fail(file, name.line, e.message());
        }
        stores_.try_emplace(name.text, ConfigStore{read_store(file, name, store),
                                                   fmt::format("{}:{}", file, name.line)});
      }
      continue;
    }
    const Option* option = nullptr;
    std::vector<std::string> known = {"stores"};
    for (const auto* candidate : config_options()) {
      if (config_key(*candidate) == key.text) option = candidate;
      known.push_back(config_key(*candidate));
    }
    if (option == nullptr) unknown_key(file, key, known);
    values_.try_emplace(key.text, ConfigValue{option_values(file, *option, key, value),
                                              fmt::format("{}:{}", file, key.line)});
  }
}

ConfigPlaces default_places() {
  ConfigPlaces places;
  places.user = config_folder() / "config.yaml";
  return places;
}

namespace {

void check_owner(const std::filesystem::path& file) {
  struct stat info{};
  if (stat(file.c_str(), &info) != 0) return;  // reading it says why
  const bool ours = info.st_uid == geteuid() || info.st_uid == 0;
  if (ours && (info.st_mode & S_IWOTH) == 0) return;
  throw Error(Code::usage,
              fmt::format("{} {}", file.string(),
                          ours ? "can be written by everyone" : "belongs to another user"))
      .hint(
          fmt::format("it says where data and credentials go: check it, then run `{} {}`, or pass "
                      "--no-config",
                      ours ? "chmod o-w" : "chown $USER", file.string()));
}

}  // namespace

Config load_config(const ConfigPlaces& places) {
  Config config;
  for (const auto* file : {&places.project, &places.user, &places.system}) {
    if (file->empty()) continue;
    const auto text = read_file(*file, 1 << 20);
    if (!text) continue;
    if (file == &places.project) check_owner(*file);
    config.add(*text, file->string());
  }
  return config;
}

Config load_config_file(const std::filesystem::path& file) {
  const auto text = read_file(file, 1 << 20);
  if (!text) throw Error(Code::usage, "there is no such file").on("read", file.string());
  Config config;
  config.add(*text, file.string());
  return config;
}

}  // namespace dray::cli
