#include "dray/serve/registry_routes.h"

#include <fmt/format.h>

#include <utility>

#include "dray/base/json.h"

namespace dray {

using http::ServerResponse;

namespace {

/// The reason phrase that stands as code in an error's body.
std::string_view reason(int status) {
  switch (status) {
    case 400:
    case 422:  // the real server's body says so too
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 409:
      return "Conflict";
    case 413:
      return "Request Entity Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

ListQuery list_query(const Query& query) {
  return {.page_size = query.get("pageSize"),
          .order_by = query.get("orderBy"),
          .sort_order = query.get("sortOrder"),
          .next_page_token = query.get("nextPageToken"),
          .filter_query = query.get("filterQuery"),
          .name = query.get("name"),
          .external_id = query.get("externalId"),
          .artifact_type = query.get("artifactType"),
          .step_ids = query.get("stepIds")};
}

ServerResponse page_answer(const Page& page) {
  // The token is base64: nothing in it needs an escape.
  return registry_answer(
      200, fmt::format(R"({{"items":[{}],"nextPageToken":"{}","pageSize":{},"size":{}}})",
                       page.items, page.next_page_token, page.page_size, page.size));
}

ServerResponse list(const RegistryCall& call) {
  return page_answer(call.records.list(call.kind, call.id, list_query(call.query)));
}

ServerResponse get(const RegistryCall& call) {
  return registry_answer(200, call.records.get(call.kind, call.id));
}

ServerResponse find(const RegistryCall& call) {
  return registry_answer(
      200, call.records.find(call.kind, {.name = call.query.get("name"),
                                         .parent_id = call.query.get("parentResourceId"),
                                         .external_id = call.query.get("externalId")}));
}

ServerResponse written_answer(Written written) {
  return registry_answer(written.created ? 201 : 200, std::move(written.document));
}

ServerResponse create(const RegistryCall& call) {
  return written_answer(call.records.create(call.kind, call.id, call.body, call.stop));
}

ServerResponse upsert(const RegistryCall& call) {
  return written_answer(call.records.upsert_artifact(call.kind, call.id, call.body, call.stop));
}

ServerResponse update(const RegistryCall& call) {
  return written_answer(call.records.update(call.kind, call.id, call.body, call.stop));
}

ServerResponse model_of_service(const RegistryCall& call) {
  return registry_answer(200, call.records.model_of_service(call.id));
}

ServerResponse version_of_service(const RegistryCall& call) {
  return registry_answer(200, call.records.version_of_service(call.id));
}

ServerResponse metric_history(const RegistryCall& call) {
  return page_answer(call.records.metric_history(call.id, list_query(call.query)));
}

using enum Role;

// Fixed segments before "{id}": "experiment_runs/metric_history" is no run.
constexpr Route kRoutes[] = {
    {"GET", "registered_models", reader, Kind::registered_model, list},
    {"POST", "registered_models", writer, Kind::registered_model, create},
    {"GET", "registered_model", reader, Kind::registered_model, find},
    {"GET", "registered_models/{id}", reader, Kind::registered_model, get},
    {"PATCH", "registered_models/{id}", writer, Kind::registered_model, update},
    {"GET", "registered_models/{id}/versions", reader, Kind::model_version, list},
    {"POST", "registered_models/{id}/versions", writer, Kind::model_version, create},

    {"GET", "model_versions", reader, Kind::model_version, list},
    {"POST", "model_versions", writer, Kind::model_version, create},
    {"GET", "model_version", reader, Kind::model_version, find},
    {"GET", "model_versions/{id}", reader, Kind::model_version, get},
    {"PATCH", "model_versions/{id}", writer, Kind::model_version, update},
    {"GET", "model_versions/{id}/artifacts", reader, Kind::any_artifact, list},
    {"POST", "model_versions/{id}/artifacts", writer, Kind::model_version, upsert},

    {"GET", "model_artifacts", reader, Kind::model_artifact, list},
    {"POST", "model_artifacts", writer, Kind::model_artifact, create},
    {"GET", "model_artifact", reader, Kind::model_artifact, find},
    {"GET", "model_artifacts/{id}", reader, Kind::model_artifact, get},
    {"PATCH", "model_artifacts/{id}", writer, Kind::model_artifact, update},

    {"GET", "artifacts", reader, Kind::any_artifact, list},
    {"POST", "artifacts", writer, Kind::any_artifact, create},
    {"GET", "artifact", reader, Kind::any_artifact, find},
    {"GET", "artifacts/{id}", reader, Kind::any_artifact, get},
    {"PATCH", "artifacts/{id}", writer, Kind::any_artifact, update},

    // What is served where is the promoters' business.
    {"GET", "serving_environments", reader, Kind::serving_environment, list},
    {"POST", "serving_environments", promoter, Kind::serving_environment, create},
    {"GET", "serving_environment", reader, Kind::serving_environment, find},
    {"GET", "serving_environments/{id}", reader, Kind::serving_environment, get},
    {"PATCH", "serving_environments/{id}", promoter, Kind::serving_environment, update},
    {"GET", "serving_environments/{id}/inference_services", reader, Kind::inference_service, list},
    {"POST", "serving_environments/{id}/inference_services", promoter, Kind::inference_service,
     create},

    {"GET", "inference_services", reader, Kind::inference_service, list},
    {"POST", "inference_services", promoter, Kind::inference_service, create},
    {"GET", "inference_service", reader, Kind::inference_service, find},
    {"GET", "inference_services/{id}", reader, Kind::inference_service, get},
    {"PATCH", "inference_services/{id}", promoter, Kind::inference_service, update},
    {"GET", "inference_services/{id}/model", reader, Kind::registered_model, model_of_service},
    {"GET", "inference_services/{id}/version", reader, Kind::model_version, version_of_service},
    {"GET", "inference_services/{id}/serves", reader, Kind::serve_model, list},
    {"POST", "inference_services/{id}/serves", promoter, Kind::serve_model, create},

    {"GET", "experiments", reader, Kind::experiment, list},
    {"POST", "experiments", writer, Kind::experiment, create},
    {"GET", "experiment", reader, Kind::experiment, find},
    {"GET", "experiments/{id}", reader, Kind::experiment, get},
    {"PATCH", "experiments/{id}", writer, Kind::experiment, update},
    {"GET", "experiments/{id}/experiment_runs", reader, Kind::experiment_run, list},
    {"POST", "experiments/{id}/experiment_runs", writer, Kind::experiment_run, create},

    {"GET", "experiment_runs", reader, Kind::experiment_run, list},
    {"POST", "experiment_runs", writer, Kind::experiment_run, create},
    {"GET", "experiment_run", reader, Kind::experiment_run, find},
    {"GET", "experiment_runs/metric_history", reader, Kind::metric_history, metric_history},
    {"GET", "experiment_runs/{id}", reader, Kind::experiment_run, get},
    {"PATCH", "experiment_runs/{id}", writer, Kind::experiment_run, update},
    {"GET", "experiment_runs/{id}/artifacts", reader, Kind::any_artifact, list},
    {"POST", "experiment_runs/{id}/artifacts", writer, Kind::experiment_run, upsert},
    {"GET", "experiment_runs/{id}/metric_history", reader, Kind::metric_history, metric_history},
};

}  // namespace

std::span<const Route> registry_routes() { return kRoutes; }

bool route_matches(std::string_view pattern, std::string_view path, std::string_view& id) {
  const std::size_t hole = pattern.find("{id}");
  if (hole == std::string_view::npos) return pattern == path;
  const std::string_view before = pattern.substr(0, hole), after = pattern.substr(hole + 4);
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) ||
      !path.ends_with(after))
    return false;
  id = path.substr(before.size(), path.size() - before.size() - after.size());
  return id.find('/') == std::string_view::npos;
}

ServerResponse registry_answer(int status, std::string json) {
  ServerResponse response;
  response.status = status;
  response.headers.add("Content-Type", "application/json; charset=UTF-8");
  response.body = std::move(json);
  return response;
}

ServerResponse registry_refusal(int status, std::string_view message) {
  return registry_answer(status, dump_json({{"code", reason(status)}, {"message", message}}));
}

}  // namespace dray
