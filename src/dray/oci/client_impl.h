// Inside of the client. Private to this room.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "dray/oci/client.h"
#include "dray/oci/scopes.h"
#include "dray/oci/tokens.h"

namespace dray::oci {

struct Client::Impl {
  explicit Impl(ClientOptions given);

  using Send = std::function<http::Response(const http::Request&)>;

  /// "https://host/v2/<repository>/<rest>"; `rest` is encoded already.
  http::Url url(std::string_view rest) const;
  http::Request request(const char* method, http::Url url, const char* verb,
                        const std::string& object) const;
  /// One exchange with credentials where it goes to the registry itself; after a 401 once more with
  /// new ones. `repeatable`: it may be sent twice.
  http::Response send(http::Request request, const Send& send, const std::stop_token& stop,
                      bool repeatable = true, const Scopes& more = {});
  http::Response send(const http::Request& request, const std::stop_token& stop,
                      http::BodyLimit limit = {}, const Scopes& more = {});
  /// The same, tried again while that may help; after a lost answer only what is `repeatable`.
  http::Response send_with_retry(const http::Request& request, const std::stop_token& stop,
                                 http::BodyLimit limit = {}, const Scopes& more = {});
  Error refusal(const http::Request& request, const http::Response& response) const;
  /// Where a redirect or a Location leads, kept to https where we use it with this host.
  http::Url follow(const http::Url& from, const http::Response& response) const;
  bool at_registry(const http::Url& url) const;
  Scopes rights() const;

  // client_blobs.cc
  http::Response get_blob(const std::string& digest, const Send& send, const std::stop_token& stop);
  // client_uploads.cc
  void moved_on(UploadSession& session, const http::Url& asked, const http::Response& response);
  std::optional<Error> finish(Client& client, const UploadSession& session,
                              const std::string& digest, std::uint64_t size, Bytes body,
                              const std::stop_token& stop);

  const ClientOptions options;
  const http::Url base;     // "https://host"
  const std::string shown;  // "oci://host/repository"
  http::Client http;
  Authorizer authorizer;

  std::mutex mutex;
  std::map<std::string, http::Url> links;  // where redirects of blobs lead, by digest
};

}  // namespace dray::oci
