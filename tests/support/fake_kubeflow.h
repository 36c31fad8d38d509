// A Kubeflow Model Registry in memory, with the real one's traps: search by LIKE, 404 for several
// hits, names unique without regard to case (as on MySQL), keyset pages, no transaction over
// resources.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "dray/base/json.h"
#include "tests/support/raw_server.h"

namespace dray::test {

class FakeKubeflow {
 public:
  FakeKubeflow();

  std::string url() const { return server_.url(); }
  RawServer& server() { return server_; }

  // Set before the first request.
  std::vector<std::string> versions = {"v1alpha3"};  // of the API that it answers under
  std::string prefix;                                // path in front of /api/model_registry
  bool ignore_case = true;                           // MySQL; false: PostgreSQL
  std::string token;                                 // "" = none is asked for
  /// Asked before each request; an answer is sent instead of the registry's own.
  std::function<std::optional<RawResponse>(const RawRequest&)> instead;
  /// Asked after each request that was carried out; may change or drop the answer.
  std::function<void(const RawRequest&, RawResponse&)> after;

  /// Rows as another client would have made them; returns the id.
  std::string add_model(const std::string& name);
  std::string add_version(const std::string& model_id, const std::string& name,
                          Json properties = Json::object());
  std::string add_artifact(const std::string& version_id, const std::string& name,
                           const std::string& uri, const std::string& type = "model-artifact");
  void set_token(std::string value);
  void set_uri(const std::string& artifact_id, const std::string& uri);
  void archive_model(const std::string& id);

  Json models() const;  // arrays of all resources
  Json model_versions() const;
  Json artifacts() const;  // with "versionId", which the real one does not show
  /// "GET /registered_model", without API path, in order.
  std::vector<std::string> calls() const;

 private:
  RawResponse handle(const RawRequest& request);
  RawResponse route(const RawRequest& request, const std::string& path);
  RawResponse create(std::vector<Json>& table, Json resource, const std::string& parent_key);
  /// What is not stated keeps its value, but for the state: that becomes the default one.
  RawResponse change(std::vector<Json>& table, const std::string& id, Json body);
  RawResponse find(const std::vector<Json>& table, const std::string& parent_key,
                   const std::map<std::string, std::string>& query);
  RawResponse page(const std::vector<Json>& table, const std::map<std::string, std::string>& query);
  std::map<std::string, std::vector<Json>*> collections();  // by path
  Json* by_id(std::vector<Json>& table, const std::string& id);
  bool same_name(const std::string& a, const std::string& b) const;
  std::string next_id() { return std::to_string(++last_id_); }

  mutable std::mutex mutex_;
  std::vector<Json> models_, versions_, artifacts_;
  std::vector<std::string> calls_;
  int last_id_ = 0;
  RawServer server_;  // last: its threads use the rest
};

}  // namespace dray::test
