// The Authorization header that a registry wants: learned from its challenges, renewed in time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "dray/base/secret.h"
#include "dray/base/time.h"
#include "dray/http/client.h"
#include "dray/http/retry.h"
#include "dray/oci/challenge.h"
#include "dray/oci/credentials.h"
#include "dray/oci/reference.h"
#include "dray/oci/scopes.h"

namespace dray::oci {

struct AuthorizerOptions {
  http::RetryPolicy retry;  // of requests for tokens
  Side side = Side::none;   // of the registry, in errors
  std::function<UnixTime()> now = unix_now;
};

/// Authorizes the requests to one registry, with one user's credentials or without a name.
/// Thread-safe; several threads that need the same token wait for one request.
///
///   request.headers.set("Authorization", authorizer.header(scopes, …).reveal())  // unless empty
///   if (response.status == 401) authorizer.challenged(request, response, scopes), once more
///
/// Only answers of the registry itself are challenges: never show it those of a host that the
/// registry has redirected to.
class Authorizer {
 public:
  /// `client` must outlive this. `reference` is any of the registry.
  Authorizer(http::Client& client, const Reference& reference,
             std::optional<Credentials> credentials, AuthorizerOptions options = {});

  /// The value of Authorization for a request that needs `scopes`; empty as long as the registry
  /// has not asked for any. Gets a token where there is none that lives `min_life` longer (never
  /// more than half of the life that the service gives). Throws as fetch_token does, and
  /// Code::cancelled.
  Secret header(const Scopes& scopes, std::chrono::seconds min_life,
                const std::stop_token& stop = {});

  /// Learns from an answer 401 to a request sent with what `header` gave for these scopes: how to
  /// authenticate, further scopes that the registry wants, or that a token is not good any more.
  /// Returns where another try with a new header makes sense; it may be refused in turn, so that
  /// the caller limits the tries. Throws Code::auth where it makes none (wrong credentials, none at
  /// all, no right to do it), Code::malformed for challenges that cannot be read.
  void challenged(const http::Request& request, const http::Response& response,
                  const Scopes& scopes);

  /// Another answer than 401 came to a request sent with `header` for these scopes: when it is
  /// refused later, that is a matter of time.
  void accepted(const Scopes& scopes, const Secret& header);

  /// The error for an answer 401 or 403 that ends a request; Code::auth, naming where the
  /// credentials come from.
  Error refusal(const http::Request& request, const http::Response& response,
                const Scopes& scopes) const;

 private:
  enum class Scheme { none, basic, bearer };
  struct Renewal {
    bool done = false;
    Secret header;
    std::optional<Error> failure;
  };
  struct Entry {
    Secret header;  // empty: none, or refused
    UnixTime fetched = 0, expires = 0;
    Scopes extra;                      // what the registry asked for beyond
    bool refused = false;              // the last token was refused before its time
    bool replaces_refused = false;     // this token was fetched after that
    std::shared_ptr<Renewal> renewal;  // running
  };

  // All of these with mutex_ held.
  bool lives(const Entry& entry, std::chrono::seconds min_life) const;
  Secret renew(std::unique_lock<std::mutex>& lock, const std::string& key, const Scopes& scopes,
               const std::stop_token& stop);
  void store(Entry& entry, const Secret& header, std::chrono::seconds life);
  void make_room_for(const std::string& key);  // forgets tokens where there are too many
  // False: another try makes no sense.
  bool learn_bearer(const Challenge& challenge, const http::Url& realm, const Scopes& scopes,
                    const std::string& sent);
  bool learn_basic(const std::string& sent);
  Error refused(const http::Request& request, const http::Response& response, const Scopes& scopes,
                bool denied) const;

  http::Client& client_;
  const http::Url registry_;
  const std::string host_;
  const AuthorizerOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_.
  std::optional<Credentials> credentials_;  // its identity token may be replaced
  Scheme scheme_ = Scheme::none;
  http::Url realm_;
  std::string service_;
  std::map<std::string, Entry> entries_;  // by the text of the scopes
};

}  // namespace dray::oci
