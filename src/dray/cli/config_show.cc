#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>

#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"

namespace dray::cli {

namespace {

/// A value as YAML reads it back.
std::string yaml_text(const std::vector<std::string>& values) {
  const auto one = [](const std::string& value) {
    const bool plain =
        !value.empty() && value.find_first_of("\"'#:{}[],&*!|>%@`\\") == std::string::npos &&
        value.front() != '-' && value.front() != '?' && value.front() != ' ' && value.back() != ' ';
    if (plain) return value;
    std::string out = "'";
    for (const char c : value) out += c == '\'' ? std::string("''") : std::string(1, c);
    return out + "'";
  };
  if (values.size() == 1) return one(values.front());
  std::vector<std::string> parts;
  for (const auto& value : values) parts.push_back(one(value));
  return fmt::format("[{}]", fmt::join(parts, ", "));
}

using Facts = std::vector<std::pair<std::string, std::string>>;

/// Without what is empty.
Facts filled(Facts facts) {
  std::erase_if(facts, [](const auto& fact) { return fact.second.empty(); });
  return facts;
}

Facts store_facts(const NamedStore& store) {
  const S3Access& s3 = store.s3;
  return filled({{"uri", store.uri},
                 {"endpoint", s3.endpoint},
                 {"region", s3.region},
                 {"ca", s3.ca_file},
                 {"addressing", s3.addressing},
                 {"profile", s3.profile},
                 {"verify-tls", s3.verify_tls ? (*s3.verify_tls ? "true" : "false") : ""},
                 {"anonymous", s3.anonymous ? "true" : ""},
                 {"content-md5", s3.content_md5 ? "true" : ""}});
}

Facts credential_facts(const S3Access& s3) {
  return filled({{"access-key-env", s3.access_key_env},
                 {"secret-key-env", s3.secret_key_env},
                 {"session-token-env", s3.session_token_env}});
}

/// A nested map: `credentials:` and the lines below it.
void print_below(Output& out, Json& json, const std::string& title, const Facts& facts) {
  if (!facts.empty()) out.line(fmt::format("    {}:", title));
  for (const auto& [key, value] : facts) {
    json[title][key] = value;
    out.line(printable(fmt::format("      {}: {}", key, yaml_text({value}))));
  }
}

/// Defaults that are no fixed text.
std::optional<Setting> built_in(const std::string& key) {
  if (key == "store") return Setting{{default_store()}, "default"};
  if (key == "registry") return Setting{{default_registry()}, "default"};
  return std::nullopt;
}

std::string comment(bool origin, const std::string& text) {
  return origin ? fmt::format("  # {}", text) : "";
}

int run(Context& context) {
  Output& out = context.out();
  const bool origin = context.args().flag("origin");
  Json settings = Json::object(), stores = Json::object();
  const Invocation none;
  for (const auto* option : config_options()) {
    auto setting = resolve_setting(
        *option, none, [](const std::string& name) { return env(name.c_str()); }, context.config());
    if (!setting) setting = built_in(config_key(*option));
    if (!setting) continue;
    settings[config_key(*option)] = {
        {"value",
         setting->values.size() == 1 ? Json(setting->values.front()) : Json(setting->values)},
        {"origin", setting->origin}};
    out.line(printable(fmt::format("{}: {}", config_key(*option), yaml_text(setting->values))) +
             comment(origin, setting->origin));
  }
  if (!context.config().stores().empty()) out.line("stores:");
  for (const auto& [name, entry] : context.config().stores()) {
    Json json = {{"origin", entry.origin}};
    out.line(fmt::format("  {}:{}", name, comment(origin, entry.origin)));
    for (const auto& [key, value] : store_facts(entry.store)) {
      json[key] = value;
      out.line(printable(fmt::format("    {}: {}", key, yaml_text({value}))));
    }
    print_below(out, json, "credentials", credential_facts(entry.store.s3));
    print_below(out, json, "headers", entry.store.s3.headers);
    stores[name] = std::move(json);
  }
  out.json({{"settings", std::move(settings)},
            {"stores", std::move(stores)},
            {"files", context.config().files()}});
  if (context.config().files().empty()) {
    const ConfigPlaces places = default_places();
    out.note(fmt::format("No configuration file: looked for {}, {} and {}.",
                         places.project.string(), places.user.string(), places.system.string()));
  }
  return 0;
}

}  // namespace

Command config_show_command() {
  return {.name = "config show",
          .group = "Set up",
          .summary = "show what holds when a command says nothing else, in the form of the file",
          .options = {{.name = "origin", .value = "", .help = "tell where each value comes from"}},
          .examples = {{"dray config show --origin", "which file or variable sets what"}},
          .run = run};
}

}  // namespace dray::cli
