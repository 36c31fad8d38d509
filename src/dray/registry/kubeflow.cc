#include "dray/registry/kubeflow.h"

#include <fmt/format.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/registry/compare.h"

namespace dray {

namespace {

constexpr const char* kWhat = "the registry's answer";
constexpr std::string_view kModelArtifact = "model-artifact";

std::string text_of(const Json& resource, std::string_view key) {
  return from_registry([&] { return find_string(resource, key, kWhat).value_or(""); });
}

/// Ids become part of paths: nothing but digits may pass.
std::string id_of(const Json& resource) {
  const std::string id = text_of(resource, "id");
  if (id.empty() || id.size() > 19 || id.find_first_not_of("0123456789") != std::string::npos)
    throw Error(Code::malformed, "a resource without a proper id")
        .on("read", kWhat)
        .from(Side::registry);
  return id;
}

Json string_properties(const std::map<std::string, std::string>& properties) {
  Json out = Json::object();
  for (const auto& [name, value] : properties)
    out[name] = {{"metadataType", "MetadataStringValue"}, {"string_value", value}};
  return out;
}

/// Values of every type as text; structures and protocol buffers are left out.
std::map<std::string, std::string> read_properties(const Json& resource) {
  std::map<std::string, std::string> out;
  const auto found = resource.find("customProperties");
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

void set_if_stated(Json& body, const char* key, const std::string& value) {
  if (!value.empty()) body[key] = value;
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
               {"customProperties", string_properties(r.properties)}};
  set_if_stated(body, "description", r.description);
  set_if_stated(body, "author", r.author);
  return body;
}

Json artifact_body(const Registration& r) {
  // The official client looks for an artifact that has the model's name.
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

std::string versions_of(const std::string& model_id) {
  return fmt::format("/registered_models/{}/versions", model_id);
}
std::string artifacts_of(const std::string& version_id) {
  return fmt::format("/model_versions/{}/artifacts", version_id);
}

class KubeflowRegistry : public Registry {
 public:
  KubeflowRegistry(http::Url url, KubeflowOptions options)
      : api_(std::move(url), std::move(options)) {}

  std::string name() const override { return api_.address(); }

  void check(const std::stop_token& stop) override {
    api_.get("/registered_models", {{"pageSize", "1"}, {"sortOrder", "ASC"}}, stop);
  }

  RegisteredIds put(const Registration& wanted, const std::stop_token& stop) override {
    // Each step looks before it creates, so that a run that died between two steps is completed.
    RegisteredIds ids;
    const Json model =
        find_or_create([&](bool thorough) { return find_model(wanted.name, thorough, stop); },
                       {"/registered_models", model_body(wanted)}, wanted, ids.changed, stop);
    ids.model_id = id_of(model);
    warn_if_archived(model, wanted.name);

    const Json version = find_or_create(
        [&](bool thorough) { return find_version(ids.model_id, wanted.version, thorough, stop); },
        {"/model_versions", version_body(wanted, ids.model_id)}, wanted, ids.changed, stop);
    check_same_content(wanted, digest_of(version));
    ids.version_id = id_of(version);
    warn_if_archived(version, wanted.name + ":" + wanted.version);

    const Json artifact = find_or_create(
        [&](bool) { return find_artifact(ids.version_id, wanted.name, stop); },
        {artifacts_of(ids.version_id), artifact_body(wanted)}, wanted, ids.changed, stop);
    check_same_uri(wanted, text_of(artifact, "uri"));
    ids.artifact_id = id_of(artifact);
    return ids;
  }

  std::optional<RegisteredVersion> find(const std::string& model_name,
                                        const std::string& version_name,
                                        const std::stop_token& stop) override {
    const auto model = find_model(model_name, false, stop);
    if (!model) return std::nullopt;
    const auto version = find_version(id_of(*model), version_name, false, stop);
    if (!version) return std::nullopt;
    return registered(model_name, *version, stop);
  }

  std::vector<RegisteredVersion> list(const std::stop_token& stop) override {
    std::map<std::string, std::string> names;
    for (const Json& model : api_.list("/registered_models", stop))
      names.emplace(id_of(model), text_of(model, "name"));
    std::vector<RegisteredVersion> out;
    for (const Json& version : api_.list("/model_versions", stop)) {
      // A version may be without its model: the server does not check.
      const auto model = names.find(text_of(version, "registeredModelId"));
      if (model != names.end()) out.push_back(registered(model->second, version, stop));
    }
    return out;
  }

 private:
  using Find = std::function<std::optional<Json>(bool thorough)>;
  struct Create {
    std::string path;
    Json body;
  };

  /// What `find` gives, or what was created. A create that fails is settled by looking again:
  /// another writer may have been faster (409), or the answer may have been lost after it was
  /// carried out.
  Json find_or_create(const Find& find, const Create& create, const Registration& wanted,
                      bool& changed, const std::stop_token& stop) {
    if (auto found = find(false)) return *std::move(found);
    http::Retrier retrier(api_.options().retry);
    for (;;) {
      std::optional<Error> failure;
      try {
        Json created = api_.post(create.path, create.body, stop);
        changed = true;
        return created;
      } catch (const Error& error) {
        if (error.code() != Code::conflict && !error.retryable()) throw;
        failure = error;
      }
      if (auto found = find(true)) {
        changed = changed || failure->code() != Code::conflict;
        return *std::move(found);
      }
      if (failure->code() == Code::conflict)
        throw Error(*failure)
            .on("register", wanted.name + ":" + wanted.version)
            .hint(
                "the registry holds something that it takes for the same, perhaps a name that "
                "differs in case only; choose another name");
      // It is known now that it was not carried out.
      retrier.failed(Error(*failure).transient(), stop);
    }
  }

  struct Search {
    std::string find_path;
    KubeflowApi::Query query;
    std::string list_path;
  };

  /// The one whose name is exactly this. The server's own search treats `_` and `%` as wildcards,
  /// may ignore case, and answers 404 both for none and for several: then the list decides. It also
  /// decides where the search says none, but creating says that there is one (`thorough`).
  std::optional<Json> find_named(Search search, const std::string& name, bool thorough,
                                 const std::stop_token& stop) {
    search.query.emplace_back("name", name);
    auto found = api_.get(search.find_path, search.query, stop);
    if (found && text_of(*found, "name") == name) return found;
    const bool has_wildcard = name.find_first_of("_%\\") != std::string::npos;
    if (!found && !has_wildcard && !thorough) return std::nullopt;
    for (Json& item : api_.list(search.list_path, stop))
      if (text_of(item, "name") == name) return std::move(item);
    return std::nullopt;
  }

  std::optional<Json> find_model(const std::string& name, bool thorough,
                                 const std::stop_token& stop) {
    return find_named({"/registered_model", {}, "/registered_models"}, name, thorough, stop);
  }

  std::optional<Json> find_version(const std::string& model_id, const std::string& name,
                                   bool thorough, const std::stop_token& stop) {
    return find_named({"/model_version", {{"parentResourceId", model_id}}, versions_of(model_id)},
                      name, thorough, stop);
  }

  /// The model artifact named like the model, as the official client looks for it; else any other
  /// one: the web interface names it like the version.
  std::optional<Json> find_artifact(const std::string& version_id, const std::string& model_name,
                                    const std::stop_token& stop) {
    std::optional<Json> other;
    for (Json& item : api_.list(artifacts_of(version_id), stop)) {
      if (text_of(item, "artifactType") != kModelArtifact) continue;
      if (text_of(item, "name") == model_name) return std::move(item);
      if (!other) other = std::move(item);
    }
    return other;
  }

  static std::string digest_of(const Json& version) {
    const auto properties = read_properties(version);
    const auto digest = properties.find(std::string(kRootDigest));
    return digest == properties.end() ? "" : digest->second;
  }

  static void warn_if_archived(const Json& resource, const std::string& shown) {
    if (text_of(resource, "state") == "ARCHIVED")
      warn("{} is archived in the registry, and stays so", shown);
  }

  RegisteredVersion registered(const std::string& model_name, const Json& version,
                               const std::stop_token& stop) {
    const auto artifact = find_artifact(id_of(version), model_name, stop);
    const std::string state = text_of(version, "state");
    return {.name = model_name,
            .version = text_of(version, "name"),
            .uri = artifact ? text_of(*artifact, "uri") : "",
            .state = state.empty() ? "LIVE" : state,
            .properties = read_properties(version)};
  }

  KubeflowApi api_;
};

}  // namespace

std::unique_ptr<Registry> open_kubeflow_registry(http::Url url, KubeflowOptions options) {
  return std::make_unique<KubeflowRegistry>(std::move(url), std::move(options));
}

}  // namespace dray
