#include "dray/registry/registration_body.h"

#include <utility>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/registry/compare.h"
#include "dray/registry/move_body.h"

namespace dray {

namespace {

constexpr const char* kWhat = "the registry's answer";
constexpr const char* kProperties = "customProperties";
// On a model a row "alias.production" = "1.0.0", on a version a label "@production".
constexpr std::string_view kAliasProperty = "alias.", kAliasLabel = "@";

Json string_properties(const std::map<std::string, std::string>& properties) {
  Json out = Json::object();
  for (const auto& [name, value] : properties) out[name] = string_property(value);
  return out;
}

void set_if_stated(Json& body, const char* key, const std::string& value) {
  if (!value.empty()) body[key] = value;
}

/// The properties with those of one prefix replaced; nullopt where they were the same.
std::optional<Json> with_prefixed(const Json& resource, std::string_view prefix,
                                  const std::map<std::string, std::string>& wanted) {
  Json before = Json::object();
  if (const auto found = resource.find(kProperties); found != resource.end() && found->is_object())
    before = *found;
  Json after = Json::object();
  for (const auto& [name, value] : before.items())
    if (!name.starts_with(prefix)) after[name] = value;
  for (const auto& [name, value] : wanted)
    after[std::string(prefix) + name] = string_property(value);
  if (after == before) return std::nullopt;
  return after;
}

}  // namespace

Json string_property(const std::string& value) {
  return {{"metadataType", "MetadataStringValue"}, {"string_value", value}};
}

Json model_body(const Registration& r) {
  Json body = {{"name", r.name}, {"state", "LIVE"}};
  set_if_stated(body, "description", r.description);
  set_if_stated(body, "owner", r.author);
  return body;
}

Json version_body(const Registration& r, const std::string& model_id) {
  Json body = {{"name", r.version},
               {"registeredModelId", model_id},
               {"state", "LIVE"},
               {kProperties, string_properties(r.properties)}};
  set_if_stated(body, "description", r.description);
  set_if_stated(body, "author", r.author);
  return body;
}

Json artifact_body(const Registration& r) {
  Json body = {
      {"artifactType", kModelArtifact}, {"name", r.name}, {"uri", r.uri}, {"state", "LIVE"}};
  set_if_stated(body, "modelFormatName", r.format_name);
  set_if_stated(body, "modelFormatVersion", r.format_version);
  set_if_stated(body, "modelSourceKind", r.source_kind);
  set_if_stated(body, "modelSourceClass", r.source_class);
  set_if_stated(body, "modelSourceGroup", r.source_group);
  set_if_stated(body, "modelSourceId", r.source_id);
  set_if_stated(body, "modelSourceName", r.source_name);
  return body;
}

Json further_artifact_body(const Registration& r) {
  constexpr std::size_t kLongestName = 200;
  Json body = artifact_body(r);
  body["name"] = r.uri.size() <= kLongestName ? r.uri : "sha256:" + Sha256::hex_of(as_bytes(r.uri));
  return body;
}

std::string text_field(const Json& resource, std::string_view key) {
  try {
    return find_string(resource, key, kWhat).value_or("");
  } catch (const Error& e) {
    throw Error(e).from(Side::registry);
  }
}

std::map<std::string, std::string> read_properties(const Json& resource) {
  std::map<std::string, std::string> out;
  const auto found = resource.find(kProperties);
  if (found == resource.end() || !found->is_object()) return out;
  for (const auto& [name, value] : found->items()) {
    if (!value.is_object()) continue;
    for (const char* key : {"string_value", "int_value", "double_value", "bool_value"}) {
      const auto held = value.find(key);
      if (held == value.end()) continue;
      out[name] = held->is_string() ? held->get_ref<const std::string&>() : dump_json(*held);
    }
  }
  return out;
}

const Json* artifact_at(const std::vector<Json>& artifacts, std::string_view uri) {
  for (const Json& artifact : artifacts)
    if (same_uri(text_field(artifact, "uri"), uri)) return &artifact;
  return nullptr;
}

const Json* main_artifact(const std::vector<Json>& artifacts, std::string_view model_name) {
  for (const Json& artifact : artifacts)
    if (text_field(artifact, "name") == model_name) return &artifact;
  return artifacts.empty() ? nullptr : &artifacts.front();
}

RegisteredService registered_service(const Json& service) {
  return {.name = text_field(service, "name"),
          .model_id = text_field(service, "registeredModelId"),
          .version_id = text_field(service, "modelVersionId"),
          .deployed = text_field(service, "desiredState") != "UNDEPLOYED"};
}

RegisteredVersion registered_version(const std::string& model_name, const Json& version,
                                     const std::vector<Json>& artifacts) {
  const std::string state = text_field(version, "state");
  RegisteredVersion out{.name = model_name,
                        .version = text_field(version, "name"),
                        .state = state.empty() ? "LIVE" : state,
                        .properties = read_properties(version),
                        .model_id = text_field(version, "registeredModelId"),
                        .version_id = text_field(version, "id")};
  const Json* main = main_artifact(artifacts, model_name);
  if (main != nullptr) out.uri = text_field(*main, "uri");
  for (const Json& artifact : artifacts) {
    const std::string uri = text_field(artifact, "uri");
    if (&artifact != main) out.other_uris.push_back(uri);
    out.artifacts.push_back(
        {text_field(artifact, "id"), uri, &artifact == main, read_moves(artifact)});
  }
  return out;
}

std::optional<Json> model_with_aliases(const Json& model, const ModelAliases& aliases) {
  return with_prefixed(model, kAliasProperty, aliases.versions);
}

std::optional<Json> version_with_aliases(const Json& version, const ModelAliases& aliases) {
  std::map<std::string, std::string> labels;
  for (const auto& [alias, target] : aliases.versions)
    if (target == text_field(version, "name")) labels.emplace(alias, "");
  return with_prefixed(version, kAliasLabel, labels);
}

}  // namespace dray
