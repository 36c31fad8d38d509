#include "tests/support/fake_hub.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

#include "dray/base/digest.h"
#include "dray/http/url.h"

namespace dray::test {

namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kCdnLimit = std::uint64_t{50} * 1000 * 1000 * 1000;

std::string pointer_of(const FakeFile& file) {
  return "version https://git-lfs.github.com/spec/v1\noid sha256:" + file.sha256 + "\nsize " +
         std::to_string(file.size()) + "\n";
}

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    path.remove_prefix(1);  // '/'
    const std::size_t end = std::min(path.find('/'), path.size());
    segments.push_back(http::percent_decode(path.substr(0, end)).value_or("?"));
    path.remove_prefix(end);
  }
  return segments;
}

std::string join(const std::vector<std::string>& segments, std::size_t first, std::size_t last) {
  std::string out;
  for (std::size_t i = first; i < last; ++i) out += (i > first ? "/" : "") + segments[i];
  return out;
}

bool is_commit(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<std::string> query_value(const std::string& query, std::string_view key) {
  for (const auto& [name, value] : http::parse_query(query))
    if (name == key) return value;
  return std::nullopt;
}

/// "bytes=a-b" within `size`; nullopt where there is no Range. An unsatisfiable one has length 0.
std::optional<ByteRange> asked_range(const RawRequest& request, std::uint64_t size) {
  std::string text = request.header("range");
  if (!text.starts_with("bytes=")) return std::nullopt;
  text.erase(0, 6);
  const std::size_t dash = text.find('-');
  const std::uint64_t first = parse_u64(text.substr(0, dash)).value_or(size);
  const std::uint64_t last = parse_u64(text.substr(dash + 1)).value_or(size == 0 ? 0 : size - 1);
  if (first >= size) return ByteRange{first, 0};
  return ByteRange{first, std::min(last, size - 1) - first + 1};
}

RawResponse refuse(int status, std::string code, std::string message) {
  RawResponse response{.status = status};
  response.headers = {{"X-Request-Id", "Root=1-fake"}, {"Content-Type", "application/json"}};
  if (!code.empty()) response.headers.emplace_back("X-Error-Code", std::move(code));
  if (!message.empty()) response.headers.emplace_back("X-Error-Message", message);
  response.body = Json{{"error", message}}.dump();
  return response;
}

RawResponse json_answer(const Json& body) {
  RawResponse response;
  response.headers = {{"Content-Type", "application/json; charset=utf-8"}};
  response.body = body.dump();
  return response;
}

Json entry_of(const FakeFile& file, const HubQuirks& quirks) {
  Json entry{{"type", "file"}, {"path", file.path}, {"size", file.size()}};
  if (!quirks.digests) return entry;
  entry["oid"] = file.git_sha1;
  if (file.lfs) {
    entry["lfs"] = {{"oid", file.sha256}, {"size", file.size()}};
    entry["lfs"]["pointerSize"] = pointer_of(file).size();
  }
  return entry;
}

Json folder_entry(const std::string& path) {
  return {{"type", "directory"}, {"path", path}, {"oid", std::string(40, '0')}, {"size", 0}};
}

Json sibling_of(const FakeFile& file, const HubQuirks& quirks, bool blobs) {
  Json sibling{{"rfilename", file.path}};
  if (!blobs || !quirks.sibling_sizes) return sibling;
  sibling["size"] = file.size();
  if (!quirks.digests) return sibling;
  sibling["blobId"] = file.git_sha1;
  if (file.lfs) {
    sibling["lfs"] = {{"sha256", file.sha256}, {"size", file.size()}};
    sibling["lfs"]["pointerSize"] = pointer_of(file).size();
  }
  return sibling;
}

}  // namespace

struct FakeHub::Commit {
  std::string id;
  std::vector<std::shared_ptr<const FakeFile>> files;
};

struct FakeHub::Repo {
  FakeRepo facts;  // its `files` are empty: they are in the commits
  std::map<std::string, std::shared_ptr<const Commit>> commits;
  std::map<std::string, std::string> refs;
};

struct FakeHub::Link {
  std::shared_ptr<const FakeFile> file;
  bool expired = false;
  std::uint64_t uses_left = 0;  // 0 = no limit
};

struct FakeHub::Found {
  std::optional<RawResponse> refused;
  std::shared_ptr<const Repo> repo;
  std::shared_ptr<const Commit> commit;
  HubQuirks quirks;
};

FakeFile git_file(std::string path, std::string content) {
  return {.path = std::move(path), .content = std::move(content)};
}

FakeFile lfs_file(std::string path, std::string content) {
  return {.path = std::move(path), .content = std::move(content), .lfs = true};
}

FakeHub::FakeHub()
    : cdn_(std::make_unique<RawServer>([this](const RawRequest& r) { return answer_cdn(r); })),
      hub_(std::make_unique<RawServer>([this](const RawRequest& r) { return answer_hub(r); })) {}

FakeHub::~FakeHub() {
  hub_.reset();  // first: it hands out links to the other
  cdn_.reset();
}

std::string FakeHub::put(FakeRepo repo) {
  auto commit = std::make_shared<Commit>();
  std::string all;
  for (FakeFile& file : repo.files) {
    if (file.sha256.empty()) file.sha256 = Sha256::hex_of(as_bytes(file.content));
    if (file.git_sha1.empty())
      file.git_sha1 = GitBlobSha1::hex_of(as_bytes(file.lfs ? pointer_of(file) : file.content));
    all += file.git_sha1 + " " + file.path + "\n";
    commit->files.push_back(std::make_shared<const FakeFile>(std::move(file)));
  }
  repo.files.clear();
  commit->id = GitBlobSha1::hex_of(as_bytes(repo.id + "\n" + all));
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const Repo>& slot = repos_[repo.id];
  auto next = slot ? std::make_shared<Repo>(*slot) : std::make_shared<Repo>();
  next->facts = std::move(repo);
  next->commits[commit->id] = commit;
  next->refs["main"] = commit->id;
  slot = next;
  return commit->id;
}

void FakeHub::tag(const std::string& repo, const std::string& name, const std::string& commit) {
  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<Repo>(*repos_.at(repo));
  next->refs[name] = commit;
  repos_[repo] = next;
}

void FakeHub::forget(const std::string& repo, const std::string& commit) {
  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<Repo>(*repos_.at(repo));
  next->commits.erase(commit);
  repos_[repo] = next;
}

void FakeHub::quirks(HubQuirks quirks) {
  const std::lock_guard lock(mutex_);
  quirks_ = quirks;
}

void FakeHub::hub_fault(Fault fault) {
  const std::lock_guard lock(mutex_);
  hub_fault_ = std::move(fault);
}

void FakeHub::cdn_fault(Fault fault) {
  const std::lock_guard lock(mutex_);
  cdn_fault_ = std::move(fault);
}

void FakeHub::expire_links() {
  const std::lock_guard lock(mutex_);
  for (auto& [signature, link] : links_) link.expired = true;
}

void FakeHub::link_uses(std::uint64_t uses) {
  const std::lock_guard lock(mutex_);
  link_uses_ = uses;
}

std::string FakeHub::url() const { return hub_->url(); }
std::string FakeHub::cdn_url() const { return cdn_->url(); }
std::vector<RawRequest> FakeHub::hub_requests() const { return hub_->requests(); }
std::vector<RawRequest> FakeHub::cdn_requests() const { return cdn_->requests(); }

std::size_t FakeHub::count(std::string_view method, std::string_view part) const {
  const auto requests = hub_requests();
  return static_cast<std::size_t>(
      std::count_if(requests.begin(), requests.end(), [&](const RawRequest& request) {
        return request.method == method && request.path.find(part) != std::string::npos;
      }));
}

bool FakeHub::token_leaked() const {
  const auto requests = cdn_requests();
  return std::any_of(requests.begin(), requests.end(), [](const RawRequest& request) {
    return !request.header("authorization").empty();
  });
}

RawResponse FakeHub::answer_hub(const RawRequest& request) {
  RawResponse response = route(request);
  Fault fault;
  {
    const std::lock_guard lock(mutex_);
    fault = hub_fault_;
  }
  if (fault) fault(request, response);
  return response;
}

RawResponse FakeHub::route(const RawRequest& request) {
  const std::vector<std::string> at = split_path(request.path);
  {
    const std::lock_guard lock(mutex_);
    if (quirks_.login_page) {
      RawResponse page;
      page.headers = {{"Content-Type", "text/html"}};
      page.body = "<!doctype html><title>Sign in</title>";
      return page;
    }
  }
  const bool api = at.size() >= 3 && at[0] == "api";
  if (api && at[1] == "resolve-cache") {
    for (std::size_t i = 4; i < at.size(); ++i)
      if (is_commit(at[i]))
        return file(request, join(at, 3, i), at[i], join(at, i + 1, at.size()), true);
  }
  const std::size_t first = api && at[1] == "models" ? 2 : 0;
  for (std::size_t i = first + 1; i < at.size() && i <= first + 2; ++i) {
    const std::string repo = join(at, first, i);
    const bool more = i + 1 < at.size();
    if (!api && at[i] == "resolve" && more)
      return file(request, repo, at[i + 1], join(at, i + 2, at.size()), false);
    if (api && at[i] == "revision" && more) return info(request, repo, at[i + 1]);
    if (api && at[i] == "tree" && more)
      return tree(request, repo, at[i + 1], join(at, i + 2, at.size()));
  }
  if (api && at[1] == "models" && at.size() <= 4)
    return info(request, join(at, 2, at.size()), "main");
  return refuse(404, "", "Sorry, we can't find the page you are looking for.");
}

FakeHub::Found FakeHub::find(const RawRequest& request, const std::string& repo,
                             const std::string& revision, bool content) {
  const std::string auth = request.header("authorization");
  const bool known = auth == "Bearer " + std::string(kToken);
  Found found;
  const std::lock_guard lock(mutex_);
  found.quirks = quirks_;
  const auto stop = [&](int status, const char* code, const char* message) {
    found.refused = refuse(status, code, message);
    return found;
  };
  if (!auth.empty() && !known) return stop(401, "", "Invalid credentials in Authorization header");
  const auto it = repos_.find(repo);
  if (it == repos_.end() || (it->second->facts.is_private && !known))
    return known ? stop(404, "RepoNotFound", "Repository not found")
                 : stop(401, "", "Invalid username or password.");
  found.repo = it->second;
  const FakeRepo& facts = found.repo->facts;
  if (!facts.renamed_to.empty()) {
    std::string target = request.target;
    target.replace(target.find(repo), repo.size(), facts.renamed_to);
    found.refused = RawResponse{.status = 307, .headers = {{"Location", target}}};
    return found;
  }
  if (facts.disabled) return stop(403, "", "Access to this resource is disabled.");
  if (content && !facts.gated.empty() && !(known && facts.granted))
    return known ? stop(403, "GatedRepo", "Access to this model is restricted: not in the list.")
                 : stop(401, "GatedRepo", "Access to this model is restricted. Please log in.");
  const auto ref = found.repo->refs.find(revision);
  const auto commit =
      found.repo->commits.find(ref == found.repo->refs.end() ? revision : ref->second);
  if (commit == found.repo->commits.end()) return stop(404, "RevisionNotFound", "Invalid rev id");
  found.commit = commit->second;
  return found;
}

RawResponse FakeHub::info(const RawRequest& request, const std::string& repo,
                          const std::string& revision) {
  const Found found = find(request, repo, revision, false);
  if (found.refused) return *found.refused;
  const FakeRepo& facts = found.repo->facts;
  Json body{{"id", facts.id},
            {"modelId", facts.id},
            {"private", facts.is_private},
            {"disabled", facts.disabled},
            {"gated", false},
            {"tags", facts.tags},
            {"lastModified", "2026-01-02T03:04:05.000Z"}};
  if (!facts.gated.empty()) body["gated"] = facts.gated;
  if (found.quirks.info_commit) body["sha"] = found.commit->id;
  if (!facts.pipeline_tag.empty()) body["pipeline_tag"] = facts.pipeline_tag;
  if (!facts.library.empty()) body["library_name"] = facts.library;
  body["cardData"] = Json::parse(facts.card);
  body["siblings"] = Json::array();
  const bool blobs = query_value(request.query, "blobs") == "true";
  for (const auto& file : found.commit->files)
    body["siblings"].push_back(sibling_of(*file, found.quirks, blobs));
  return json_answer(body);
}

RawResponse FakeHub::tree(const RawRequest& request, const std::string& repo,
                          const std::string& revision, const std::string& folder) {
  const Found found = find(request, repo, revision, false);
  if (found.refused) return *found.refused;
  if (!found.quirks.tree) return refuse(404, "", "Not found");
  const std::string prefix = folder.empty() ? "" : folder + "/";
  const bool recursive = query_value(request.query, "recursive") == "true";
  std::vector<std::pair<std::string, const FakeFile*>> entries;  // folders have no file
  std::set<std::string> folders;
  for (const auto& file : found.commit->files) {
    if (!file->path.starts_with(prefix)) continue;
    for (std::size_t slash = file->path.find('/', prefix.size()); slash != std::string::npos;
         slash = recursive ? file->path.find('/', slash + 1) : std::string::npos)
      if (folders.insert(file->path.substr(0, slash)).second)
        entries.emplace_back(file->path.substr(0, slash), nullptr);
    if (recursive || file->path.find('/', prefix.size()) == std::string::npos)
      entries.emplace_back(file->path, file.get());
  }
  if (entries.empty() && !folder.empty()) return refuse(404, "EntryNotFound", "Entry not found");
  const std::size_t start =
      parse_u64(query_value(request.query, "cursor").value_or("0")).value_or(0);
  const std::size_t end = std::min(start + found.quirks.page_size, entries.size());
  Json page = Json::array();
  for (std::size_t i = start; i < end; ++i)
    page.push_back(entries[i].second != nullptr ? entry_of(*entries[i].second, found.quirks)
                                                : folder_entry(entries[i].first));
  RawResponse response = json_answer(page);
  if (end < entries.size())
    response.headers.emplace_back(
        "Link", "<" + url() + request.path + "?recursive=" + (recursive ? "true" : "false") +
                    "&expand=false&cursor=" + std::to_string(end) + ">; rel=\"next\"");
  return response;
}

RawResponse FakeHub::file(const RawRequest& request, const std::string& repo,
                          const std::string& revision, const std::string& path, bool from_cache) {
  const Found found = find(request, repo, revision, true);
  if (found.refused) return *found.refused;
  const HubQuirks& quirks = found.quirks;
  std::vector<std::pair<std::string, std::string>> headers;
  if (quirks.commit_header) headers.emplace_back("X-Repo-Commit", found.commit->id);
  const auto it = std::find_if(found.commit->files.begin(), found.commit->files.end(),
                               [&](const auto& file) { return file->path == path; });
  RawResponse response;
  if (it == found.commit->files.end()) {
    response = refuse(404, "EntryNotFound", "Entry not found");
  } else if (request.method == "HEAD" && !quirks.head) {
    response = refuse(405, "", "Method not allowed");
  } else if ((*it)->lfs && quirks.cdn && !quirks.pointers) {
    response.status = quirks.redirect_status;
    response.headers.emplace_back("Location", sign(*it));
    if (quirks.linked_headers) {
      response.headers.emplace_back("X-Linked-Etag", '"' + (*it)->sha256 + '"');
      response.headers.emplace_back("X-Linked-Size", std::to_string((*it)->size()));
    }
    response.body = "Found. Redirecting to the download host";
  } else if (quirks.resolve_cache && !from_cache) {
    response.status = 307;
    response.headers.emplace_back(
        "Location", "/api/resolve-cache/models/" + repo + "/" + found.commit->id + "/" +
                        http::percent_encode(path, true) + "?etag=%22" + (*it)->git_sha1 + "%22");
  } else if ((*it)->lfs && quirks.pointers) {
    FakeFile pointer = git_file(path, pointer_of(**it));
    pointer.git_sha1 = (*it)->git_sha1;
    response = bytes(request, pointer, quirks);
  } else {
    response = bytes(request, **it, quirks);
  }
  response.headers.insert(response.headers.end(), headers.begin(), headers.end());
  return response;
}

RawResponse FakeHub::bytes(const RawRequest& request, const FakeFile& file,
                           const HubQuirks& quirks) {
  RawResponse response;
  const std::uint64_t size = file.size();
  if (quirks.etags) {
    const std::string tag = file.lfs ? file.sha256 : file.git_sha1;
    response.headers.emplace_back("ETag", quirks.quoted_etags ? '"' + tag + '"' : tag);
  }
  const std::optional<ByteRange> asked = quirks.ranges ? asked_range(request, size) : std::nullopt;
  const ByteRange range = asked.value_or(ByteRange{0, size});
  if (quirks.ranges) response.headers.emplace_back("Accept-Ranges", "bytes");
  if (asked && range.length == 0) {
    response.status = 416;
    response.headers.emplace_back("Content-Range", "bytes */" + std::to_string(size));
    return response;
  }
  response.headers.emplace_back("Content-Length", std::to_string(range.length));
  if (asked) {
    response.status = 206;
    response.headers.emplace_back("Content-Range", "bytes " + std::to_string(range.offset) + "-" +
                                                       std::to_string(range.end() - 1) + "/" +
                                                       std::to_string(size));
  }
  if (request.method == "HEAD") return response;
  if (range.length > kCdnLimit) return {.status = 400, .body = "Request too large"};
  if (file.produce) {
    response.body.resize(range.length);
    file.produce(range.offset, std::as_writable_bytes(std::span(response.body)));
  } else {
    response.body = file.content.substr(range.offset, range.length);
  }
  return response;
}

std::string FakeHub::sign(std::shared_ptr<const FakeFile> file) {
  const std::lock_guard lock(mutex_);
  const std::string signature = "sig" + std::to_string(next_link_++);
  const std::string address =
      cdn_->url() + "/blobs/" + file->sha256 + "?X-Amz-Expires=3600&X-Amz-Signature=" + signature;
  links_[signature] = {std::move(file), false, link_uses_};
  return address;
}

RawResponse FakeHub::answer_cdn(const RawRequest& request) {
  std::shared_ptr<const FakeFile> wanted;
  HubQuirks quirks;
  Fault fault;
  {
    const std::lock_guard lock(mutex_);
    quirks = quirks_;
    fault = cdn_fault_;
    const auto it = links_.find(query_value(request.query, "X-Amz-Signature").value_or(""));
    if (it != links_.end() && !it->second.expired && request.method == "GET") {
      wanted = it->second.file;
      if (it->second.uses_left > 0 && --it->second.uses_left == 0) it->second.expired = true;
    }
  }
  RawResponse response{.status = 403, .body = "<Error><Code>AccessDenied</Code></Error>"};
  if (wanted) response = bytes(request, *wanted, quirks);
  if (fault) fault(request, response);
  return response;
}

}  // namespace dray::test
