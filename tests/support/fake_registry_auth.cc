#include "tests/support/fake_registry_auth.h"

#include <algorithm>

#include "dray/http/url.h"

namespace dray::test {

namespace {

constexpr std::string_view kBearer = "Bearer ";

std::string basic_of(const RegistryAuth& auth) {
  return "Basic " + to_base64(as_bytes(auth.user + ":" + auth.password));
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string join(const std::set<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ",") + part;
  return out;
}

std::set<std::string> actions_of(std::string_view text) {
  const auto parts = split(text, ',');
  return {parts.begin(), parts.end()};
}

RawResponse unauthorized(const std::string& challenge) {
  RawResponse response = FakeRegistry::error(401, "UNAUTHORIZED", "authentication required");
  response.headers.emplace_back("WWW-Authenticate", challenge);
  return response;
}

/// The form of an OAuth 2 request, decoded.
std::vector<std::pair<std::string, std::string>> form_of(const RegistryCall& call) {
  std::string text = call.body();
  std::replace(text.begin(), text.end(), '+', ' ');
  return http::parse_query(text);
}

std::string value_of(const std::vector<std::pair<std::string, std::string>>& fields,
                     std::string_view name) {
  for (const auto& [key, value] : fields)
    if (key == name) return value;
  return "";
}

}  // namespace

RegistryTokens::Scopes RegistryTokens::needed(const RegistryCall& call) {
  switch (call.op) {
    case RegistryOp::unknown:
    case RegistryOp::ping:
    case RegistryOp::get_token:
    case RegistryOp::stored_blob:
      return {};
    case RegistryOp::start_upload:
    case RegistryOp::post_blob:
    case RegistryOp::patch_upload:
    case RegistryOp::finish_upload:
    case RegistryOp::put_manifest:
      return {{call.repository, {"pull", "push"}}};
    case RegistryOp::mount_blob: {
      Scopes out{{call.repository, {"pull", "push"}}};
      if (const auto from = call.arg("from")) out[*from].insert("pull");
      return out;
    }
    case RegistryOp::cancel_upload:
      if (!call.options.auth.cancel_needs_delete) return {{call.repository, {"pull", "push"}}};
      return {{call.repository, {"delete"}}};
    case RegistryOp::delete_blob:
    case RegistryOp::delete_manifest:
      return {{call.repository, {"delete"}}};
    default:
      return {{call.repository, {"pull"}}};
  }
}

bool RegistryTokens::covers(const Scopes& have, const Scopes& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& scope) {
    const auto found = have.find(scope.first);
    return found != have.end() && std::includes(found->second.begin(), found->second.end(),
                                                scope.second.begin(), scope.second.end());
  });
}

std::optional<RawResponse> RegistryTokens::refuse(RegistryCall& call, const std::string& realm) {
  const RegistryAuth& auth = call.options.auth;
  if (auth.kind == RegistryAuth::Kind::none) return std::nullopt;
  if (auth.kind == RegistryAuth::Kind::bearer) return refuse_bearer(call, realm);
  if (call.header("authorization") == basic_of(auth)) return std::nullopt;
  return unauthorized("Basic realm=\"fake registry\"");
}

const RegistryTokens::Token* RegistryTokens::find(const RegistryCall& call) {
  const std::string header = call.header("authorization");
  if (!header.starts_with(kBearer)) return nullptr;
  const auto found = tokens_.find(header.substr(kBearer.size()));
  if (found == tokens_.end()) return nullptr;
  Token& token = found->second;
  if (token.ends != 0 && call.now >= token.ends) return nullptr;
  if (call.options.auth.token_uses > 0) {
    if (token.uses_left == 0) return nullptr;
    --token.uses_left;
  }
  return &token;
}

std::optional<RawResponse> RegistryTokens::refuse_bearer(RegistryCall& call,
                                                         const std::string& realm) {
  const RegistryAuth& auth = call.options.auth;
  const Token* token = find(call);
  Scopes wanted = needed(call);
  if (token != nullptr) {
    if (!auth.checks_scopes || covers(token->scopes, wanted)) return std::nullopt;
    if (call.op == RegistryOp::mount_blob && !call.options.quirks.mount_needs_pull &&
        covers(token->scopes, {{call.repository, {"pull", "push"}}})) {
      call.may_mount = false;
      return std::nullopt;
    }
  }
  std::string scope;
  for (const auto& [repository, actions] : wanted)
    scope += (scope.empty() ? "" : " ") + ("repository:" + repository) + ":" + join(actions);
  std::string challenge = "Bearer realm=\"" + realm + "\",service=\"" + auth.service + "\"";
  if (!scope.empty()) challenge += ",scope=\"" + scope + "\"";
  if (token != nullptr)
    challenge += ",error=\"insufficient_scope\"";
  else if (!call.header("authorization").empty())
    challenge += ",error=\"invalid_token\"";
  return unauthorized(challenge);
}

RawResponse RegistryTokens::issue(const RegistryCall& call) {
  const RegistryAuth& auth = call.options.auth;
  const bool post = call.request->method == "POST";
  const auto fields = post ? form_of(call) : call.query;
  RegistryTokenRequest request;
  request.method = call.request->method;
  request.service = value_of(fields, "service");
  for (const auto& [name, value] : fields)
    if (name == "scope")
      for (std::string& scope : split(value, ' ')) request.scopes.push_back(std::move(scope));
  const auto answer = [&](RawResponse response) {
    request.status = response.status;
    log.push_back(request);
    return response;
  };

  std::string grant;  // "" = what the account may do in that repository
  if (post) {
    if (auth.refresh_token.empty()) return answer(FakeRegistry::error(405, "UNSUPPORTED"));
    if (value_of(fields, "grant_type") != "refresh_token" ||
        value_of(fields, "refresh_token") != auth.refresh_token)
      return answer(FakeRegistry::error(401, "UNAUTHORIZED"));
  } else if (const std::string header = call.header("authorization"); !header.empty()) {
    if (header != basic_of(auth)) return answer(FakeRegistry::error(401, "UNAUTHORIZED"));
    request.user = auth.user;
  } else if (auth.anonymous_grant.empty()) {
    return answer(FakeRegistry::error(401, "UNAUTHORIZED"));
  } else {
    grant = auth.anonymous_grant;
  }
  if (request.service != auth.service)
    return answer(FakeRegistry::error(400, "UNSUPPORTED", "another service"));

  Token token;
  for (const std::string& scope : request.scopes) {
    const std::size_t last = scope.rfind(':');
    if (!scope.starts_with("repository:") || last < 11) continue;
    const std::string repository = scope.substr(11, last - 11);
    const auto own = auth.grants.find(repository);
    const Actions may = actions_of(!grant.empty()             ? grant
                                   : own == auth.grants.end() ? auth.default_grant
                                                              : own->second);
    Actions given;
    for (const std::string& action : actions_of(scope.substr(last + 1)))
      if (may.contains(action)) given.insert(action);
    if (given.empty()) continue;
    request.granted.push_back("repository:" + repository + ":" + join(given));
    token.scopes[repository].merge(given);
  }
  token.uses_left = auth.token_uses;
  if (auth.token_life.count() > 0) token.ends = call.now + auth.token_life.count();
  const std::string text = "token-" + std::to_string(next_++) + ".abc_DEF~+/==";
  tokens_[text] = token;
  Json body{{post ? "access_token" : auth.token_field, text}};
  if (post) body["refresh_token"] = auth.refresh_token;
  if (auth.stated_life || auth.token_life.count() > 0)
    body["expires_in"] = auth.stated_life.value_or(static_cast<int>(auth.token_life.count()));
  return answer(registry_json(body));
}

}  // namespace dray::test
