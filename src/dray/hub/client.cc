#include "dray/hub/client.h"

#include <algorithm>
#include <utility>

#include "dray/base/log.h"
#include "dray/http/excerpt.h"
#include "dray/hub/environment.h"
#include "dray/hub/errors.h"
#include "dray/hub/identity.h"
#include "dray/hub/reference.h"

namespace dray::hub {

namespace {

constexpr std::size_t kMostPages = 5000;

http::Url parse_base(const std::string& endpoint) {
  try {
    return http::parse_url(endpoint);
  } catch (const Error& error) {
    throw Error(Code::usage, "the Hub's address is not an http(s) URL")
        .on("use HF_ENDPOINT", endpoint)
        .because(error)
        .hint("write it as https://hub.example.com");
  }
}

std::string without_slash(std::string text) {
  while (text.ends_with('/')) text.pop_back();
  return text;
}

http::Url below(const http::Url& base, std::string_view path, std::string query) {
  http::Url url = base;
  url.path = without_slash(std::move(url.path)) + std::string(path);
  url.query = std::move(query);
  return url;
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

bool is_success(const http::Response& response) {
  return response.status >= 200 && response.status < 300;
}

/// A page for people where data was asked for: a login page, or not a Hub at all.
void check_json(const http::Request& request, const http::Response& response) {
  const std::string encoding = response.headers.get("content-encoding").value_or("");
  const bool html = http::is_html(response);
  const bool packed = !encoding.empty() && encoding != "identity";
  if (!html && !packed) return;
  throw Error(Code::malformed, html ? "the answer is a web page, not data"
                                    : "the answer is compressed without being asked to")
      .on(request.verb, request.object)
      .from(Side::source)
      .http(response.status, "", http::request_id(response.headers))
      .hint("check HF_ENDPOINT, and whether a proxy or gateway asks for a login: " +
            request.url.origin());
}

/// The readers of JSON do not know whose it is.
template <typename Parse>
auto from_source(const Parse& parse) {
  try {
    return parse();
  } catch (const Error& error) {
    throw Error(error).from(Side::source);
  }
}

/// The next page's address, nullopt at the end.
std::optional<http::Url> next_page(const http::Request& request, const http::Response& response) {
  for (const std::string& value : response.headers.all("link"))
    for (const http::Link& link : http::parse_link(value)) {
      if (link.rel != "next") continue;
      http::Url next = http::resolve(request.url, link.target);
      if (next.origin() == request.url.origin()) return next;
      throw Error(Code::malformed, "the next page of the listing is said to be at " +
                                       next.origin() + ", another host than the Hub's")
          .on(request.verb, request.object)
          .from(Side::source)
          .hint("a mirror that does not rewrite its Link headers? Report it to its operator");
    }
  return std::nullopt;
}

}  // namespace

void refuse_offline(const std::string& object) {
  if (!offline()) return;
  throw Error(Code::usage, "HF_HUB_OFFLINE forbids requests to the Hub")
      .on("read", object)
      .from(Side::source)
      .hint("unset it, or import what is in the cache: hf-cache:org/name");
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

http::Url redirect_target(const http::Request& request, const http::Response& response) {
  const auto broken = [&](const std::string& why) {
    return Error(Code::malformed, why)
        .on(request.verb, request.object)
        .from(Side::source)
        .http(response.status, "", http::request_id(response.headers));
  };
  const std::optional<std::string> location = response.headers.get("location");
  if (!location || location->empty()) throw broken("a redirect without a target");
  http::Url target;
  try {
    target = http::resolve(request.url, *location);
  } catch (const Error& error) {
    throw broken("a redirect to a broken address").because(error);
  }
  if (request.url.scheme == "https" && target.scheme == "http" && !http::is_loopback(target))
    throw broken("a redirect from https to plain http at " + target.origin())
        .hint("dray does not follow it: the content could be read and changed on the way");
  return target;
}

Client::Client(ClientOptions options)
    : options_(std::move(options)),
      endpoint_(without_slash(options_.endpoint.empty() ? hub::endpoint() : options_.endpoint)),
      base_(parse_base(endpoint_)),
      http_(options_.http) {}

Token Client::look_for_token() {
  return find_token(options_.token,
                    [&] { return exchange_identity(http_, endpoint_, options_.retry, {}); });
}

Token Client::token() {
  const std::lock_guard lock(mutex_);  // while it is looked for: one search serves all
  if (!token_) token_ = look_for_token();
  return *token_;
}

bool Client::renew_token(const http::Request& refused) {
  const std::string sent = refused.headers.get("Authorization").value_or("");
  const auto is_other = [&](const Token& known) {
    return !known.value.empty() && "Bearer " + known.value.reveal() != sent;
  };
  const std::lock_guard lock(mutex_);
  if (token_ && is_other(*token_)) return true;  // another request has renewed it
  // Short-lived tokens are replaced in their file by whoever keeps them fresh.
  Token now = look_for_token();
  if (!is_other(now)) return false;
  token_ = std::move(now);
  return true;
}

http::Request Client::request(const char* method, http::Url url, const char* verb,
                              std::string object, bool with_token) {
  http::Request request;
  request.method = method;
  request.url = std::move(url);
  request.side = Side::source;
  request.verb = verb;
  request.object = std::move(object);
  // Compressed text would come without a length, and digests are of the plain bytes.
  request.headers.set("Accept-Encoding", "identity");
  // However the caller came to this address: the token goes to the Hub's origin only.
  if (!with_token || !on_hub(request.url)) return request;
  if (const Token known = token(); !known.value.empty())
    request.headers.set("Authorization", "Bearer " + known.value.reveal());
  return request;
}

http::Response Client::send_once(http::Request& request, const Send& send) {
  http::Response response = send(request);
  if (response.status != 401 || !request.headers.has("Authorization") || !renew_token(request))
    return response;
  request.headers.set("Authorization", "Bearer " + token().value.reveal());
  return send(request);
}

void Client::show_warnings(const http::Headers& headers) {
  for (const std::string& value : headers.all("x-hf-warning")) {
    const std::size_t colon = value.find(';');
    {
      const std::lock_guard lock(mutex_);
      if (warned_.size() >= 100 || !warned_.insert(value.substr(0, colon)).second) continue;
    }
    warn("the Hub says: {}", http::clean_text(value));
  }
}

Error Client::refusal(const http::Request& request, const http::Response& response,
                      const Pin& asked, const std::string& path) {
  Asked about{endpoint_, asked.repo, asked.commit, path, "", ""};
  const Token known = token();
  if (request.headers.has("Authorization")) about.token_place = known.place;
  about.token_advice = known.advice;
  return answer_error(request, response, about);
}

http::Response Client::ask(const Pin& asked, http::Url url, const char* verb,
                           const std::stop_token& stop) {
  const std::string object = "hf://" + asked.repo;
  refuse_offline(object);
  http::Retrier retrier(options_.retry);
  for (int hops = 0;;) {
    http::Request get = request("GET", url, verb, object, true);
    try {
      http::Response response =
          send_once(get, [&](const http::Request& r) { return http_.send(r, stop); });
      show_warnings(response.headers);
      if (is_redirect(response.status)) {
        url = redirect_target(get, response);
        if (!on_hub(url))
          throw Error(Code::malformed, "the Hub's API redirects to " + url.origin())
              .on(verb, object)
              .from(Side::source)
              .hint("check HF_ENDPOINT, and whether a proxy or gateway asks for a login");
        if (++hops > kMostHops)
          throw Error(Code::malformed, "redirected in a circle")
              .on(verb, object)
              .from(Side::source);
        continue;
      }
      if (is_success(response)) {
        check_json(get, response);
        return response;
      }
      Error error = refusal(get, response, asked, "");
      if (!error.retryable()) return response;
      throw error;
    } catch (const Error& error) {
      retrier.failed(error, stop);
    }
  }
}

RepoInfo Client::info(const std::string& repo, const std::string& revision, bool with_sizes,
                      const std::stop_token& stop) {
  const Pin asked{repo, revision};
  const http::Url url =
      below(base_, "/api/models/" + repo + "/revision/" + http::percent_encode(revision),
            with_sizes ? "blobs=true" : "");
  const http::Response response = ask(asked, url, "look up", stop);
  const http::Request shown = request("GET", url, "look up", "hf://" + repo, true);
  if (!is_success(response)) throw refusal(shown, response, asked, "");
  RepoInfo info =
      from_source([&] { return parse_info(response.body, "the Hub's answer about " + repo); });
  if (is_commit(revision) && !info.commit.empty() && info.commit != revision)
    throw Error(Code::verification,
                "asked for commit " + revision + ", the answer is about " + info.commit)
        .on("look up", "hf://" + repo)
        .from(Side::source);
  // Mirrors put other things there, so only a name that can be one counts.
  if (is_repo_id(info.id) && lower(info.id) != lower(repo))
    throw Error(Code::not_found, "the repository is now called " + info.id)
        .on("look up", "hf://" + repo)
        .from(Side::source)
        .hint("import hf://" + info.id);
  return info;
}

std::optional<std::vector<RepoFile>> Client::tree(const Pin& pin, const std::stop_token& stop) {
  const std::string object = "hf://" + pin.repo;
  const auto malformed = [&](const char* why) {
    return Error(Code::malformed, why).on("list", object).from(Side::source);
  };
  std::optional<http::Url> url =
      below(base_, "/api/models/" + pin.repo + "/tree/" + http::percent_encode(pin.commit),
            "recursive=true&expand=false");
  std::set<std::string> seen;
  std::vector<RepoFile> files;
  while (url) {
    if (!seen.insert(url->text()).second) throw malformed("the pages of the listing repeat");
    const http::Response response = ask(pin, *url, "list", stop);
    const http::Request shown = request("GET", *url, "list", object, true);
    const int status = response.status;
    const bool no_endpoint =
        (status == 404 && !response.headers.has("x-error-code")) || status == 405 || status == 501;
    if (no_endpoint && files.empty()) return std::nullopt;
    if (!is_success(response)) throw refusal(shown, response, pin, "");
    const auto page = from_source(
        [&] { return parse_tree_page(response.body, "the Hub's listing of " + pin.repo); });
    files.insert(files.end(), page.begin(), page.end());
    if (files.size() > kMostFiles) throw malformed("the listing has more than 200,000 files");
    if (seen.size() > kMostPages) throw malformed("the listing has more than 5,000 pages");
    url = next_page(shown, response);
  }
  return files;
}

}  // namespace dray::hub
