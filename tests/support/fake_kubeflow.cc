#include "tests/support/fake_kubeflow.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "dray/http/url.h"

namespace dray::test {

namespace {

using Query = std::map<std::string, std::string>;

RawResponse json(int status, const Json& body) {
  return {.status = status,
          .headers = {{"Content-Type", "application/json; charset=UTF-8"}},
          .body = body.dump()};
}

RawResponse failure(int status, const char* code, const std::string& message) {
  return json(status, {{"code", code}, {"message", message}});
}

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

/// SQL's LIKE.
bool like(std::string_view pattern, std::string_view text, bool ignore_case) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '%') {
    for (std::size_t i = 0; i <= text.size(); ++i)
      if (like(pattern.substr(1), text.substr(i), ignore_case)) return true;
    return false;
  }
  if (text.empty()) return false;
  const bool same = ignore_case ? lower(pattern[0]) == lower(text[0]) : pattern[0] == text[0];
  return (same || pattern[0] == '_') && like(pattern.substr(1), text.substr(1), ignore_case);
}

/// What a body may hold; the real server refuses everything else for these kinds.
const std::set<std::string> kModelFields = {"name",  "description",      "owner",
                                            "state", "customProperties", "externalId"};
const std::set<std::string> kVersionFields = {
    "name",       "description",      "author", "state", "customProperties",
    "externalId", "registeredModelId"};

std::optional<RawResponse> refusal(const Json& body, const std::set<std::string>& fields,
                                   std::initializer_list<const char*> required) {
  for (const auto& [key, value] : body.items()) {
    if (!fields.empty() && !fields.contains(key))
      return failure(400, "Bad Request", fmt::format("json: unknown field \"{}\"", key));
    if (key != "customProperties") continue;
    for (const auto& [name, property] : value.items())
      if (!property.is_object() || !property.contains("metadataType"))
        return failure(400, "Bad Request", "no metadataType in " + name);
  }
  for (const char* key : required)
    if (!body.contains(key) || body[key] == "")
      return failure(422, "Bad Request", fmt::format("required field '{}' is zero value", key));
  return std::nullopt;
}

}  // namespace

FakeKubeflow::FakeKubeflow() : server_([this](const RawRequest& r) { return handle(r); }) {}

bool FakeKubeflow::same_name(const std::string& a, const std::string& b) const {
  return std::ranges::equal(
      a, b, [this](char x, char y) { return ignore_case ? lower(x) == lower(y) : x == y; });
}

RawResponse FakeKubeflow::handle(const RawRequest& request) {
  if (instead)
    if (auto answer = instead(request)) return *std::move(answer);
  const std::lock_guard lock(mutex_);
  if (!token.empty() && request.header("authorization") != "Bearer " + token)
    return {.status = 401, .headers = {{"Content-Type", "text/plain"}}, .body = "Unauthorized\n"};
  for (const std::string& version : versions) {
    const std::string base = prefix + "/api/model_registry/" + version;
    if (!request.path.starts_with(base + "/")) continue;
    const std::string path = request.path.substr(base.size());
    calls_.push_back(request.method + " " + path);
    RawResponse response = route(request, path);
    if (after) after(request, response);
    return response;
  }
  return {
      .status = 404, .headers = {{"Content-Type", "text/plain"}}, .body = "404 page not found\n"};
}

RawResponse FakeKubeflow::route(const RawRequest& request, const std::string& path) {
  Query query;
  for (auto& [key, value] : http::parse_query(request.query)) query[key] = value;
  const auto child_of = [&](std::string_view parent, std::string_view kind) {
    const std::string_view view = path;
    if (!view.starts_with(parent) || !view.ends_with(kind)) return std::string();
    return std::string(view.substr(parent.size(), view.size() - parent.size() - kind.size()));
  };
  const auto children = [](const std::vector<Json>& table, const char* key, const std::string& id) {
    std::vector<Json> out;
    for (const Json& row : table)
      if (row[key] == id) out.push_back(row);
    return out;
  };
  const std::string model_id = child_of("/registered_models/", "/versions");
  const std::string version_id = child_of("/model_versions/", "/artifacts");

  if (request.method == "GET") {
    if (path == "/registered_models") return page(models_, query);
    if (path == "/model_versions") return page(versions_, query);
    if (path == "/registered_model") return find(models_, "", query);
    if (path == "/model_version") return find(versions_, "registeredModelId", query);
    if (!model_id.empty()) return page(children(versions_, "registeredModelId", model_id), query);
    if (!version_id.empty()) return page(children(artifacts_, "versionId", version_id), query);
    for (auto& [collection, table] : collections())
      if (const std::string id = child_of(collection, ""); !id.empty())
        if (const Json* row = by_id(*table, id); row != nullptr) return json(200, *row);
  }
  if (request.method == "POST") {
    Json body = Json::parse(request.body, nullptr, false);
    if (!body.is_object()) return failure(400, "Bad Request", "not JSON");
    if (path == "/registered_models") {
      if (auto bad = refusal(body, kModelFields, {"name"})) return *bad;
      return create(models_, std::move(body), "");
    }
    if (path == "/model_versions") {
      if (auto bad = refusal(body, kVersionFields, {"name", "registeredModelId"})) return *bad;
      return create(versions_, std::move(body), "registeredModelId");
    }
    if (!version_id.empty()) {
      if (auto bad = refusal(body, {}, {"artifactType"})) return *bad;
      if (by_id(versions_, version_id) == nullptr)
        return failure(404, "Not Found", "no such version");
      body["versionId"] = version_id;
      return create(artifacts_, std::move(body), "versionId");
    }
  }
  if (request.method == "PATCH") {
    Json body = Json::parse(request.body, nullptr, false);
    if (!body.is_object()) return failure(400, "Bad Request", "not JSON");
    for (auto& [collection, table] : collections())
      if (const std::string id = child_of(collection, ""); !id.empty())
        return change(*table, id, std::move(body));
  }
  return failure(404, "Not Found", "no such path");
}

std::map<std::string, std::vector<Json>*> FakeKubeflow::collections() {
  return {{"/registered_models/", &models_},
          {"/model_versions/", &versions_},
          {"/model_artifacts/", &artifacts_}};
}

void FakeKubeflow::set_uri(const std::string& artifact_id, const std::string& uri) {
  const std::lock_guard lock(mutex_);
  by_id(artifacts_, artifact_id)->at("uri") = uri;
}

RawResponse FakeKubeflow::change(std::vector<Json>& table, const std::string& id, Json body) {
  if (body.contains("name") || body.contains("id"))
    return failure(400, "Bad Request", "json: unknown field");
  Json* row = by_id(table, id);
  if (row == nullptr) return failure(404, "Not Found", "none found");
  if (!body.contains("state")) body["state"] = "LIVE";
  for (const auto& [key, value] : body.items()) (*row)[key] = value;
  return json(200, *row);
}

RawResponse FakeKubeflow::create(std::vector<Json>& table, Json resource,
                                 const std::string& parent_key) {
  for (const Json& row : table)
    if (same_name(row["name"], resource["name"]) &&
        (parent_key.empty() || row[parent_key] == resource[parent_key]))
      return failure(409, "Conflict", "an entity with this name already exists");
  resource["id"] = next_id();
  resource["createTimeSinceEpoch"] = resource["lastUpdateTimeSinceEpoch"] = "1700000000000";
  table.push_back(resource);
  return json(201, resource);
}

RawResponse FakeKubeflow::find(const std::vector<Json>& table, const std::string& parent_key,
                               const Query& query) {
  const auto name = query.find("name");
  const auto parent = query.find("parentResourceId");
  if (name == query.end() || (!parent_key.empty() && parent == query.end()))
    return failure(400, "Bad Request", "invalid parameters call, supply name");
  const Json* hit = nullptr;
  for (const Json& row : table) {
    if (!like(name->second, row["name"].get<std::string>(), ignore_case)) continue;
    if (!parent_key.empty() && row[parent_key] != parent->second) continue;
    if (hit != nullptr) return failure(404, "Not Found", "multiple found");
    hit = &row;
  }
  return hit == nullptr ? failure(404, "Not Found", "none found") : json(200, *hit);
}

RawResponse FakeKubeflow::page(const std::vector<Json>& table, const Query& query) {
  const auto number = [&](const char* key) {
    const auto found = query.find(key);
    return found == query.end() || found->second.empty() ? 0UL : std::stoul(found->second);
  };
  // The real one gives smaller pages than asked for never, but a client must not count on the size.
  const std::size_t size = std::min(number("pageSize") == 0 ? 2 : number("pageSize"), 2UL);
  const std::size_t start = number("nextPageToken");
  Json items = Json::array();
  for (std::size_t i = start; i < std::min(start + size, table.size()); ++i)
    items.push_back(table[i]);
  const bool more = start + size < table.size();
  return json(200, {{"items", items},
                    {"size", items.size()},
                    {"pageSize", size},
                    {"nextPageToken", more ? std::to_string(start + size) : ""}});
}

Json* FakeKubeflow::by_id(std::vector<Json>& table, const std::string& id) {
  const auto found = std::ranges::find_if(table, [&](const Json& row) { return row["id"] == id; });
  return found == table.end() ? nullptr : &*found;
}

std::string FakeKubeflow::add_model(const std::string& name) {
  const std::lock_guard lock(mutex_);
  models_.push_back({{"id", next_id()}, {"name", name}, {"state", "LIVE"}});
  return models_.back()["id"];
}

std::string FakeKubeflow::add_version(const std::string& model_id, const std::string& name,
                                      Json properties) {
  const std::lock_guard lock(mutex_);
  versions_.push_back({{"id", next_id()},
                       {"name", name},
                       {"registeredModelId", model_id},
                       {"state", "LIVE"},
                       {"customProperties", std::move(properties)}});
  return versions_.back()["id"];
}

std::string FakeKubeflow::add_artifact(const std::string& version_id, const std::string& name,
                                       const std::string& uri, const std::string& type) {
  const std::lock_guard lock(mutex_);
  artifacts_.push_back({{"id", next_id()},
                        {"artifactType", type},
                        {"name", name},
                        {"uri", uri},
                        {"state", "UNKNOWN"},
                        {"versionId", version_id}});
  return artifacts_.back()["id"];
}

void FakeKubeflow::set_token(std::string value) {
  const std::lock_guard lock(mutex_);
  token = std::move(value);
}

void FakeKubeflow::archive_model(const std::string& id) {
  const std::lock_guard lock(mutex_);
  (*by_id(models_, id))["state"] = "ARCHIVED";
}

Json FakeKubeflow::models() const {
  const std::lock_guard lock(mutex_);
  return models_;
}
Json FakeKubeflow::model_versions() const {
  const std::lock_guard lock(mutex_);
  return versions_;
}
Json FakeKubeflow::artifacts() const {
  const std::lock_guard lock(mutex_);
  return artifacts_;
}
std::vector<std::string> FakeKubeflow::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

}  // namespace dray::test
