#include "dray/registry/kubeflow.h"

#include <fmt/format.h>

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/base/failpoint.h"
#include "dray/base/log.h"
#include "dray/registry/compare.h"
#include "dray/registry/move_body.h"
#include "dray/registry/registration_body.h"

namespace dray {

namespace {

/// Ids become part of paths: nothing but digits may pass.
std::string id_of(const Json& resource) {
  const std::string id = text_field(resource, "id");
  if (id.empty() || id.size() > 19 || id.find_first_not_of("0123456789") != std::string::npos)
    throw Error(Code::malformed, "a resource without a proper id")
        .on("read", "the registry's answer")
        .from(Side::registry);
  return id;
}

/// As the server takes them back: it shows structures as plain JSON, and wants them in base64.
Json writable(Json properties) {
  for (auto& [name, value] : properties.items()) {
    const auto structure = value.find("struct_value");
    if (structure == value.end() || !structure->is_string()) continue;
    const auto& text = structure->get_ref<const std::string&>();
    if (text.starts_with('{')) *structure = to_base64(as_bytes(text));
  }
  return properties;
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

    ids.artifact_id = id_of(find_or_create_artifact(ids, digest_of(version), wanted, stop));
    return ids;
  }

  std::vector<RegisteredIds> put_all(std::span<const Registration> registrations,
                                     const std::stop_token& stop) override {
    std::vector<RegisteredIds> out;
    for (const Registration& registration : registrations) out.push_back(put(registration, stop));
    return out;
  }

  bool project_aliases(const ModelAliases& aliases, const std::stop_token& stop) override {
    const auto model = find_model(aliases.name, false, stop);
    if (!model) throw not_registered(aliases.name);
    const std::string id = id_of(*model);
    bool changed = false;
    const auto show = [&](const std::string& path, const Json& resource,
                          std::optional<Json> properties) {
      if (!properties) return;
      change(path + id_of(resource), resource, {{"customProperties", writable(*properties)}}, stop);
      changed = true;
    };
    show("/registered_models/", *model, model_with_aliases(*model, aliases));
    for (const Json& version : api_.list(versions_of(id), stop))
      show("/model_versions/", version, version_with_aliases(version, aliases));
    return changed;
  }

  bool set_state(const std::string& model_name, const std::string& version_name,
                 const std::string& state, const std::stop_token& stop) override {
    const auto model = find_model(model_name, false, stop);
    const auto version =
        model ? find_version(id_of(*model), version_name, false, stop) : std::nullopt;
    if (!version) throw not_registered(model_name + ":" + version_name);
    if (text_field(*version, "state") == state) return false;
    change("/model_versions/" + id_of(*version), *version, {{"state", state}}, stop);
    return true;
  }

  bool move(const ArtifactMove& wanted, const std::stop_token& stop) override {
    const std::string version_path = "/model_versions/" + id_of({{"id", wanted.version_id}});
    const std::string artifact_path = "/model_artifacts/" + id_of({{"id", wanted.artifact_id}});
    const Json version = read(version_path, stop);
    const Json model = read("/registered_models/" + model_of(version), stop);
    const auto siblings = model_artifacts(wanted.version_id, stop);
    const Json* const main = main_artifact(siblings, text_field(model, "name"));
    const bool is_main = main != nullptr && id_of(*main) == wanted.artifact_id;
    // Before anything is written: it may refuse.
    const auto properties = moved_version(version, wanted, is_main);
    const Json artifact = read(artifact_path, stop);
    const auto update = moved_artifact(artifact, wanted, unix_now());
    if (update) {
      Json body = *update;
      body["customProperties"] = writable(body["customProperties"]);
      change(artifact_path, artifact, std::move(body), stop);
      failpoint("migrate.artifact-patched");
      check_moved(read(artifact_path, stop), wanted);
    }
    if (properties)
      change(version_path, version, {{"customProperties", writable(*properties)}}, stop);
    return update || properties;
  }

  std::vector<RegisteredService> services(const std::stop_token& stop) override {
    std::vector<RegisteredService> out;
    for (const Json& service : api_.list("/inference_services", stop))
      out.push_back(registered_service(service));
    return out;
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
      names.emplace(id_of(model), text_field(model, "name"));
    std::vector<RegisteredVersion> out;
    for (const Json& version : api_.list("/model_versions", stop)) {
      // A version may be without its model: the server does not check.
      const auto model = names.find(text_field(version, "registeredModelId"));
      if (model != names.end()) out.push_back(registered(model->second, version, stop));
    }
    return out;
  }

 private:
  static std::string model_of(const Json& version) {
    return id_of({{"id", text_field(version, "registeredModelId")}});
  }

  Json read(const std::string& path, const std::stop_token& stop) {
    auto found = api_.get(path, {}, stop);
    if (!found) throw not_registered(path);
    return *std::move(found);
  }

  Error not_registered(const std::string& what) const {
    return Error(Code::not_found, "not registered")
        .on("find", what)
        .from(Side::registry)
        .hint("dray registry register makes the entry");
  }

  /// The server takes a state that is not stated for the default one, and would bring an archived
  /// resource back.
  void change(const std::string& path, const Json& resource, Json body,
              const std::stop_token& stop) {
    const std::string state = text_field(resource, "state");
    if (!body.contains("state") && !state.empty()) body["state"] = state;
    if (!api_.patch(path, body, stop)) throw not_registered(path);
  }

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
    return create_or_find(find, create, wanted, changed, stop);
  }

  Json create_or_find(const Find& find, const Create& create, const Registration& wanted,
                      bool& changed, const std::stop_token& stop) {
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
    if (found && text_field(*found, "name") == name) return found;
    const bool has_wildcard = name.find_first_of("_%\\") != std::string::npos;
    if (!found && !has_wildcard && !thorough) return std::nullopt;
    for (Json& item : api_.list(search.list_path, stop))
      if (text_field(item, "name") == name) return std::move(item);
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

  std::vector<Json> model_artifacts(const std::string& version_id, const std::stop_token& stop) {
    std::vector<Json> out = api_.list(artifacts_of(version_id), stop);
    std::erase_if(
        out, [](const Json& item) { return text_field(item, "artifactType") != kModelArtifact; });
    return out;
  }

  Json find_or_create_artifact(RegisteredIds& ids, std::string_view registered_digest,
                               const Registration& wanted, const std::stop_token& stop) {
    std::vector<Json> there;
    const auto find = [&](bool) -> std::optional<Json> {
      there = model_artifacts(ids.version_id, stop);
      const Json* const found = artifact_at(there, wanted.uri);
      return found == nullptr ? std::nullopt : std::optional(*found);
    };
    if (auto found = find(false)) return *std::move(found);
    if (const Json* main = main_artifact(there, wanted.name))
      check_further_place(wanted, registered_digest, text_field(*main, "uri"));
    return create_or_find(find,
                          {artifacts_of(ids.version_id),
                           there.empty() ? artifact_body(wanted) : further_artifact_body(wanted)},
                          wanted, ids.changed, stop);
  }

  static std::string digest_of(const Json& version) {
    const auto properties = read_properties(version);
    const auto digest = properties.find(std::string(kRootDigest));
    return digest == properties.end() ? "" : digest->second;
  }

  static void warn_if_archived(const Json& resource, const std::string& shown) {
    if (text_field(resource, "state") == "ARCHIVED")
      warn("{} is archived in the registry, and stays so", shown);
  }

  RegisteredVersion registered(const std::string& model_name, const Json& version,
                               const std::stop_token& stop) {
    return registered_version(model_name, version, model_artifacts(id_of(version), stop));
  }

  KubeflowApi api_;
};

}  // namespace

std::unique_ptr<Registry> open_kubeflow_registry(http::Url url, KubeflowOptions options) {
  return std::make_unique<KubeflowRegistry>(std::move(url), std::move(options));
}

}  // namespace dray
