#include "dray/oci/tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/oci/errors.h"
#include "dray/oci/token_request.h"

namespace dray::oci {

namespace {

constexpr std::size_t kMostEntries = 256;
constexpr std::size_t kMostScopes = 16;  // that a registry may ask for beyond those of a request
/// A token that is refused so soon after it replaced a refused one: it is not a matter of time.
constexpr std::int64_t kSoon = 60;

Secret bearer_header(const Secret& token) { return Secret("Bearer " + token.reveal()); }

const Challenge* find(const std::vector<Challenge>& challenges, std::string_view scheme) {
  for (const Challenge& challenge : challenges)
    if (challenge.scheme == scheme && (scheme != "bearer" || !challenge.realm.empty()))
      return &challenge;
  return nullptr;
}

std::string schemes_of(const std::vector<Challenge>& challenges) {
  std::string out;
  for (const Challenge& challenge : challenges) out += (out.empty() ? "" : ", ") + challenge.scheme;
  return out;
}

std::vector<Challenge> read_challenges(const http::Request& request,
                                       const http::Response& response) {
  try {
    return challenges_of(response.headers);
  } catch (const Error& error) {
    throw Error(error).on(request.verb, request.object).from(request.side);
  }
}

http::Url realm_of(const Challenge& challenge, const http::Request& request) {
  try {
    return http::parse_url(challenge.realm);
  } catch (const Error& error) {
    throw Error(Code::malformed, "the registry names a token service that is no URL")
        .on(request.verb, request.object)
        .from(request.side)
        .because(error);
  }
}

}  // namespace

Authorizer::Authorizer(http::Client& client, const Reference& reference,
                       std::optional<Credentials> credentials, AuthorizerOptions options)
    : client_(client),
      registry_(reference.url()),
      host_(reference.host),
      options_(std::move(options)),
      credentials_(std::move(credentials)) {
  if (credentials_ && credentials_->empty()) credentials_.reset();
  if (credentials_ && !credentials_->registry_token.empty() &&
      !is_token_text(credentials_->registry_token.reveal()))
    throw Error(Code::malformed, "the registry token has a character that cannot be sent")
        .on("read", credentials_->origin)
        .from(Side::local);
}

bool Authorizer::lives(const Entry& entry, std::chrono::seconds min_life) const {
  if (entry.header.empty()) return false;
  const std::int64_t half = (entry.expires - entry.fetched) / 2;
  const std::int64_t needed = std::clamp<std::int64_t>(min_life.count(), 0, half);
  return entry.expires - options_.now() > needed;
}

Secret Authorizer::header(const Scopes& scopes, std::chrono::seconds min_life,
                          const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (scheme_ == Scheme::none) return {};
  if (scheme_ == Scheme::basic) return basic_header(*credentials_);
  if (credentials_ && !credentials_->registry_token.empty())
    return bearer_header(credentials_->registry_token);
  const std::string key = scopes.text();
  while (true) {
    make_room_for(key);
    const Entry& entry = entries_[key];
    if (lives(entry, min_life)) return entry.header;
    const std::shared_ptr<Renewal> renewal = entry.renewal;
    if (!renewal) return renew(lock, key, scopes, stop);
    changed_.wait(lock, stop, [&] { return renewal->done; });
    throw_if_stopped(stop);
    if (!renewal->failure) return renewal->header;
    // Who was stopped says nothing about the others.
    if (renewal->failure->code() != Code::cancelled) throw Error(*renewal->failure);
  }
}

Secret Authorizer::renew(std::unique_lock<std::mutex>& lock, const std::string& key,
                         const Scopes& scopes, const std::stop_token& stop) {
  const auto renewal = std::make_shared<Renewal>();
  Entry& entry = entries_[key];  // stays in its place while it is in renewal
  entry.renewal = renewal;
  TokenRequest request{.realm = realm_,
                       .service = service_,
                       .scopes = scopes,
                       .registry = registry_,
                       .host = host_,
                       .credentials = credentials_,
                       .side = options_.side};
  request.scopes.add(entry.extra);
  lock.unlock();
  Token token;
  try {
    debug("getting a token for {} from {}", request.scopes.text(), request.realm.origin());
    token = fetch_token(client_, request, options_.retry, stop);
    renewal->header = bearer_header(token.value);
  } catch (...) {
    renewal->failure = current_error();
  }
  lock.lock();
  entry.renewal.reset();
  renewal->done = true;
  changed_.notify_all();
  if (renewal->failure) throw Error(*renewal->failure);
  store(entry, renewal->header, token.life);
  if (credentials_ && !credentials_->identity_token.empty() && !token.identity_token.empty())
    credentials_->identity_token = token.identity_token;
  return renewal->header;
}

void Authorizer::store(Entry& entry, const Secret& header, std::chrono::seconds life) {
  entry.header = header;
  entry.fetched = options_.now();
  entry.expires = entry.fetched + life.count();
  entry.replaces_refused = std::exchange(entry.refused, false);
}

void Authorizer::make_room_for(const std::string& key) {
  if (entries_.size() < kMostEntries || entries_.count(key) != 0) return;
  std::erase_if(entries_, [](const auto& item) { return !item.second.renewal; });
}

void Authorizer::challenged(const http::Request& request, const http::Response& response,
                            const Scopes& scopes) {
  const std::vector<Challenge> challenges = read_challenges(request, response);
  const Challenge* bearer = find(challenges, "bearer");
  const Challenge* basic = find(challenges, "basic");
  const http::Url realm = bearer != nullptr ? realm_of(*bearer, request) : http::Url{};
  const std::string sent = request.headers.get("Authorization").value_or("");
  const std::lock_guard lock(mutex_);
  if (bearer == nullptr && basic == nullptr) {
    if (challenges.empty()) throw refused(request, response, scopes, false);
    throw Error(Code::unsupported,
                "the registry wants another way to authenticate: " + schemes_of(challenges))
        .on(request.verb, request.object)
        .from(request.side)
        .http(response.status, "", http::request_id(response.headers));
  }
  const bool again =
      bearer != nullptr ? learn_bearer(*bearer, realm, scopes, sent) : learn_basic(sent);
  if (!again)
    throw refused(request, response, scopes,
                  bearer != nullptr && bearer->error == "insufficient_scope");
}

void Authorizer::accepted(const Scopes& scopes, const Secret& header) {
  if (header.empty()) return;
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(scopes.text());
  if (found != entries_.end() && found->second.header.reveal() == header.reveal())
    found->second.replaces_refused = false;
}

bool Authorizer::learn_bearer(const Challenge& challenge, const http::Url& realm,
                              const Scopes& scopes, const std::string& sent) {
  if (scheme_ != Scheme::bearer || realm != realm_ || challenge.service != service_) {
    scheme_ = Scheme::bearer;
    realm_ = realm;
    service_ = challenge.service;
    for (auto& [key, entry] : entries_) entry.header = {};
  }
  if (credentials_ && !credentials_->registry_token.empty())
    return sent != bearer_header(credentials_->registry_token).reveal();
  const std::string key = scopes.text();
  make_room_for(key);
  Entry& entry = entries_[key];
  const bool current = !sent.empty() && sent == entry.header.reveal();
  const Scopes wanted = Scopes::parse(challenge.scope);
  Scopes asked = scopes;
  asked.add(entry.extra);
  if (!asked.cover(wanted)) {
    entry.extra.add(wanted);
    entry.header = {};
    return entry.extra.size() <= kMostScopes;
  }
  if (!current) return true;  // sent without, or with one that has been replaced since
  if (challenge.error == "insufficient_scope") return false;
  if (entry.replaces_refused && options_.now() - entry.fetched < kSoon) return false;
  entry.header = {};
  entry.refused = true;
  return true;
}

bool Authorizer::learn_basic(const std::string& sent) {
  const bool can =
      credentials_ && (!credentials_->user.empty() || !credentials_->password.empty() ||
                       !credentials_->identity_token.empty());
  if (!can) return false;
  scheme_ = Scheme::basic;
  return sent != basic_header(*credentials_).reveal();
}

Error Authorizer::refused(const http::Request& request, const http::Response& response,
                          const Scopes& scopes, bool denied) const {
  return oci::refusal(
      request, response,
      {.host = host_, .scopes = scopes, .credentials = credentials_ ? &*credentials_ : nullptr},
      denied);
}

Error Authorizer::refusal(const http::Request& request, const http::Response& response,
                          const Scopes& scopes) const {
  const std::lock_guard lock(mutex_);
  return refused(request, response, scopes, false);
}

}  // namespace dray::oci
