// Requests to a Kubeflow / OpenShift AI Model Registry: API version, credentials, paging, errors.
#pragma once

#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/http/client.h"
#include "dray/http/retry.h"
#include "dray/registry/bearer.h"

namespace dray {

struct KubeflowOptions : RegistryOptions {
  http::RetryPolicy retry;
  std::string service_account_folder = kServiceAccountFolder;
};

/// What `read` gives; errors of its own name the registry as their side.
template <typename F>
auto from_registry(F read) {
  try {
    return read();
  } catch (const Error& e) {
    throw Error(e).from(Side::registry);
  }
}

/// Thread-safe. All paths are relative to the API's base ("/registered_models").
class KubeflowApi {
 public:
  using Query = std::vector<std::pair<std::string, std::string>>;

  KubeflowApi(http::Url url, KubeflowOptions options);

  /// nullopt for 404. Retried while the error may pass.
  std::optional<Json> get(std::string_view path, const Query& query, const std::stop_token& stop);
  /// One try; the answer to 200 or 201. Other answers throw: 409 is Code::conflict; a retryable
  /// error may mean that it was carried out.
  Json post(std::string_view path, const Json& body, const std::stop_token& stop);
  /// The answer; nullopt for 404. Retried while the error may pass: what is carried out twice is
  /// the same.
  std::optional<Json> patch(std::string_view path, const Json& body, const std::stop_token& stop);
  /// All items of a list, page by page.
  std::vector<Json> list(std::string_view path, const std::stop_token& stop);

  const KubeflowOptions& options() const { return options_; }
  /// Without the API's path; for messages.
  std::string address() const { return url_.origin() + prefix_; }

 private:
  http::Request request(std::string method, const std::string& target, const Query& query) const;
  /// With the token; once more with a newer one where that is refused.
  http::Response send(http::Request& request, const std::stop_token& stop);
  /// GET, while the error may pass. `first_contact`: it is not known yet that a web server answers
  /// there.
  http::Response send_with_retry(http::Request& request, bool first_contact,
                                 const std::stop_token& stop);
  /// The API's path, found out at the first call: v1, or v1alpha3 where v1 is not there.
  std::string base(const std::stop_token& stop);
  std::string find_base(const std::stop_token& stop);
  Json parsed(const http::Request& request, const http::Response& response) const;
  Error refusal(const http::Request& request, const http::Response& response) const;
  /// Throws a better error where something that is no web server answers.
  void explain_no_answer(const Error& error) const;

  const http::Url url_;
  const KubeflowOptions options_;
  std::string prefix_;         // what the URL has before "/api/model_registry"
  std::string fixed_version_;  // "v1alpha3" where the URL names it
  BearerToken token_;
  http::Client client_;
  std::mutex mutex_;
  std::string base_;  // "" until it is found out; under mutex_
};

}  // namespace dray
