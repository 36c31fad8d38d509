#include "dray/serve/hub_endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/http/url.h"
#include "dray/model/plain_text.h"
#include "dray/serve/hub_answers.h"
#include "dray/serve/hub_json.h"

namespace dray {

using http::ServerRequest;
using http::ServerResponse;

namespace {

using Segments = std::vector<std::string>;

ServerResponse no_repository() { return hub_refusal(404, "RepoNotFound", "Repository not found"); }
ServerResponse no_revision() { return hub_refusal(404, "RevisionNotFound", "Invalid rev id"); }
ServerResponse no_page() {
  return hub_refusal(404, "", "Sorry, we can't find the page you are looking for.");
}

ServerResponse not_allowed(const std::string& methods) {
  auto response = hub_refusal(405, "", "Method not allowed");
  response.headers.add("Allow", methods);
  return response;
}

/// The decoded segments of a path; nullopt when an escape is malformed. A segment may hold an
/// encoded '/' ("refs%2Fpr%2F1"), which is why they are cut first.
std::optional<Segments> segments_of(std::string_view path) {
  Segments segments;
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto end = std::min(path.find('/'), path.size());
    auto segment = http::percent_decode(path.substr(0, end));
    if (!segment) return std::nullopt;
    path.remove_prefix(end);
    if (!segment->empty() || !path.empty()) segments.push_back(std::move(*segment));
  }
  return segments;
}

/// The segments from `begin` on as one path, without the '/' that some clients put at its end.
std::string joined(const Segments& segments, std::size_t begin) {
  std::string path;
  for (std::size_t i = begin; i < segments.size(); ++i)
    path += (i == begin ? "" : "/") + segments[i];
  while (path.ends_with('/')) path.pop_back();
  return path;
}

/// As the Hub's clients check it before they ask.
bool is_repo_id(std::string_view id) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '/';
  };
  return !id.empty() && id.size() <= 96 && std::all_of(id.begin(), id.end(), good) &&
         std::count(id.begin(), id.end(), '/') <= 1 && !id.starts_with('/') && !id.ends_with('/') &&
         id.find("--") == std::string_view::npos && id.find("..") == std::string_view::npos &&
         !id.ends_with(".git");
}

}  // namespace

struct HubEndpoint::Repo {
  std::string id;
  std::shared_ptr<Source> source;
  std::mutex mutex;
  std::shared_ptr<const ServedSnapshot> served;  // guarded by mutex; set once
};

HubEndpoint::HubEndpoint(std::vector<ServedRepo> repos, HubEndpointOptions options)
    : options_(options) {
  for (auto& served : repos) {
    if (!is_repo_id(served.id))
      throw Error(Code::usage, fmt::format("'{}' is no repository id", shown_text(served.id)))
          .hint("use name or org/name of letters, digits, '.', '_' and '-', without '--' and '..'");
    auto repo = std::make_unique<Repo>();
    repo->id = served.id;
    repo->source = std::move(served.source);
    if (!repos_.emplace(served.id, std::move(repo)).second)
      throw Error(Code::usage, fmt::format("'{}' is served twice", served.id));
  }
}

HubEndpoint::~HubEndpoint() { stop_.request_stop(); }

std::shared_ptr<const ServedSnapshot> HubEndpoint::load(Repo& repo) {
  const std::lock_guard lock(repo.mutex);
  if (!repo.served) repo.served = load_served(*repo.source, stop_.get_token());
  return repo.served;
}

HubEndpoint::Repo* HubEndpoint::find(const Segments& segments, std::size_t at, std::size_t& next) {
  if (segments.size() >= at + 2)
    if (const auto found = repos_.find(segments[at] + "/" + segments[at + 1]);
        found != repos_.end()) {
      next = at + 2;
      return found->second.get();
    }
  if (segments.size() >= at + 1)
    if (const auto found = repos_.find(segments[at]); found != repos_.end()) {
      next = at + 1;
      return found->second.get();
    }
  return nullptr;
}

ServerResponse HubEndpoint::handle(const ServerRequest& request) {
  const auto segments = segments_of(request.path);
  if (!segments) return hub_refusal(400, "", "Malformed path");
  if (segments->empty()) return no_page();
  if (segments->front() == "api") return api(request, *segments);
  std::size_t next = 0;
  auto* repo = find(*segments, 0, next);
  const auto is_file = [](const std::string& word) { return word == "resolve" || word == "raw"; };
  if (repo == nullptr)
    return std::any_of(segments->begin(), segments->end(), is_file) ? no_repository() : no_page();
  if (segments->size() < next + 3 || !is_file((*segments)[next])) return no_page();
  if (request.method != "GET") return not_allowed("GET, HEAD");
  return file(request, *repo,
              {segments->begin() + static_cast<std::ptrdiff_t>(next), segments->end()});
}

ServerResponse HubEndpoint::api(const ServerRequest& request, const Segments& segments) {
  if (segments.size() == 2 && segments[1] == "whoami-v2")
    return hub_json_answer({{"type", "user"},
                            {"id", "anonymous"},
                            {"name", "anonymous"},
                            {"fullname", "anonymous"},
                            {"orgs", Json::array()}});
  // Datasets and spaces are none of ours: no repository of those is there.
  if (segments.size() > 2 && (segments[1] == "datasets" || segments[1] == "spaces"))
    return no_repository();
  if (segments.size() < 2 || segments[1] != "models") return no_page();
  if (segments.size() == 2) return list();
  std::size_t next = 0;
  auto* repo = find(segments, 2, next);
  if (repo == nullptr) return no_repository();
  return model(request, *repo,
               {segments.begin() + static_cast<std::ptrdiff_t>(next), segments.end()});
}

ServerResponse HubEndpoint::list() const {
  Json models = Json::array();
  for (const auto& [id, repo] : repos_)
    models.push_back({{"id", id}, {"modelId", id}, {"private", false}});
  return hub_json_answer(models);
}

ServerResponse HubEndpoint::model(const ServerRequest& request, Repo& repo, const Segments& rest) {
  const std::string what = rest.empty() ? "revision" : rest[0];
  const bool posted = what == "paths-info";
  if (request.method != (posted ? "POST" : "GET"))
    return not_allowed(posted ? "POST" : "GET, HEAD");
  const auto served = load(repo);
  if (what == "refs" && rest.size() == 1) return hub_json_answer(hub_refs(*served));
  const std::string revision = rest.size() > 1 ? rest[1] : rest.empty() ? "main" : "";
  if (what != "revision" && what != "tree" && !posted) return no_page();
  if (!served->has_revision(revision)) return no_revision();
  if (what == "tree") return hub_tree(request, *served, joined(rest, 2), options_.page_size);
  if (rest.size() > 2) return no_page();
  if (posted) return hub_paths_info(request, *served);
  return hub_json_answer(hub_info(repo.id, *served, hub_flag(request, "blobs")));
}

ServerResponse HubEndpoint::file(const ServerRequest& request, Repo& repo, const Segments& rest) {
  const auto served = load(repo);
  if (!served->has_revision(rest[1])) return no_revision();
  const auto path = joined(rest, 2);
  const auto* found = served->find(path);
  if (found != nullptr && found->lfs && rest[0] == "raw") return hub_pointer(*found, *served);
  return hub_file(request, served, path, repo.source, stop_.get_token());
}

}  // namespace dray
