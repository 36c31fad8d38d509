#include "dray/serve/registry_owner.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <string>

#include "dray/base/error.h"
#include "dray/base/json.h"

namespace dray {

namespace {

constexpr JsonLimits kLimits{.bytes = 64 << 20, .depth = 64};

/// Under which name a resource is held, or in whom it lies.
struct Holder {
  Kind kind;
  std::string_view collection;  // of the API's paths
  Kind parent;                  // = kind where the resource's own name counts
  std::string_view parent_key;  // of its document
};
constexpr std::array kHolders = {
    Holder{Kind::registered_model, "registered_models", Kind::registered_model, ""},
    Holder{Kind::model_version, "model_versions", Kind::registered_model, "registeredModelId"},
    Holder{Kind::serving_environment, "serving_environments", Kind::serving_environment, ""},
    Holder{Kind::inference_service, "inference_services", Kind::registered_model,
           "registeredModelId"},
    Holder{Kind::experiment, "experiments", Kind::experiment, ""},
    Holder{Kind::experiment_run, "experiment_runs", Kind::experiment, "experimentId"},
};

const Holder* find_holder(Kind kind) {
  for (const Holder& holder : kHolders)
    if (holder.kind == kind) return &holder;
  return nullptr;
}

const Holder* find_collection(std::string_view pattern) {
  for (const Holder& holder : kHolders)
    if (pattern.starts_with(holder.collection) &&
        pattern.substr(holder.collection.size()).starts_with("/"))
      return &holder;
  return nullptr;
}

std::optional<std::string> name_of(const Records& records, Kind kind, std::string_view id);

/// The name that a resource of this document belongs to.
std::optional<std::string> name_in(const Records& records, const Holder& holder,
                                   const Json& document) {
  if (!document.is_object()) return std::nullopt;
  const std::string key(holder.parent_key.empty() ? "name" : holder.parent_key);
  const auto found = document.find(key);
  if (found == document.end() || !found->is_string()) return std::nullopt;
  const auto& value = found->get_ref<const std::string&>();
  return holder.parent_key.empty() ? value : name_of(records, holder.parent, value);
}

std::optional<std::string> name_of(const Records& records, Kind kind, std::string_view id) {
  const Holder* holder = find_holder(kind);
  if (holder == nullptr) return std::nullopt;
  return name_in(records, *holder, parse_json(records.get(kind, id), "the registry", kLimits));
}

/// What is posted below something may name by id what is there already, and lie anywhere.
bool names_another(const Route& route, std::string_view body) {
  if (route.method != "POST") return false;
  const Json document = parse_json(body, "the request", kLimits);
  return !document.is_object() || document.contains("id");
}

std::optional<std::string> owner(const Route& route, const RegistryCall& call) {
  if (!call.id.empty()) {
    const Holder* holder = find_collection(route.pattern);
    if (names_another(route, call.body)) return std::nullopt;
    return holder == nullptr ? std::nullopt : name_of(call.records, holder->kind, call.id);
  }
  const Holder* holder = find_holder(route.kind);
  if (holder == nullptr) return std::nullopt;
  return name_in(call.records, *holder, parse_json(call.body, "the request", kLimits));
}

}  // namespace

void refuse_role(const Caller& caller, Role role, std::string_view name) {
  throw Error(Code::policy,
              name.empty()
                  ? fmt::format("{} needs the role {} for this", caller.name, role_name(role))
                  : fmt::format("{} needs the role {} for {}", caller.name, role_name(role), name));
}

void check_owner(const Caller& caller, const Route& route, const RegistryCall& call) {
  const auto name = owner(route, call);
  if (!name) refuse_role(caller, route.role, "every name");
  if (!caller.may(route.role, *name)) refuse_role(caller, route.role, *name);
}

}  // namespace dray
