#include "dray/serve/hub_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/http/headers.h"
#include "dray/http/url.h"
#include "dray/serve/byte_range.h"
#include "dray/serve/hub_json.h"

namespace dray {

using http::ServerRequest;
using http::ServerResponse;

namespace {

std::optional<std::string> parameter(const ServerRequest& request, std::string_view name) {
  for (auto& [key, value] : http::parse_query(request.query))
    if (key == name) return value;
  return std::nullopt;
}

bool is_true(std::string_view value) { return value == "true" || value == "True" || value == "1"; }

/// "http://host:port" as the client knows this server, "" if it does not say. Only for links that
/// go back to the same client.
std::string own_origin(const ServerRequest& request) {
  const auto host = request.headers.get("Host").value_or("");
  const bool good = !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view(".-_:[]").find(c) != std::string_view::npos;
  });
  if (!good) return "";
  const bool tls = request.headers.get("X-Forwarded-Proto") == "https";
  return (tls ? "https://" : "http://") + host;
}

struct PathsQuestion {
  std::vector<std::string> paths;
  bool expand = false;
};

/// The body of paths-info: JSON from JavaScript, a form from Python. nullopt when it is neither.
std::optional<PathsQuestion> read_question(const ServerRequest& request) {
  PathsQuestion question;
  const auto type = request.headers.get("Content-Type").value_or("");
  if (type.find("json") == std::string::npos) {
    std::string form = request.body;
    for (auto plus = form.find('+'); plus != std::string::npos; plus = form.find('+', plus))
      form.replace(plus, 1, "%20");  // in forms a '+' is a space
    for (auto& [key, value] : http::parse_query(form)) {
      if (key == "paths") question.paths.push_back(value);
      if (key == "expand") question.expand = is_true(value);
    }
    return question;
  }
  try {
    const Json json = parse_json(request.body, "the request", {.bytes = 1 << 20, .depth = 8});
    question.expand = find_bool(json, "expand", "the request").value_or(false);
    const auto paths = json.find("paths");
    if (paths == json.end()) return std::nullopt;
    const Json list = paths->is_array() ? *paths : Json::array({*paths});
    for (const auto& path : list) {
      if (!path.is_string()) return std::nullopt;
      question.paths.push_back(path.get<std::string>());
    }
    return question;
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string content_type(std::string_view path) {
  if (path.ends_with(".json")) return "application/json; charset=utf-8";
  for (const std::string_view end : {".md", ".txt", ".py", ".jinja"})
    if (path.ends_with(end)) return "text/plain; charset=utf-8";
  return "application/octet-stream";
}

/// Whether a list of ETags (If-None-Match) names this one.
bool names_etag(const std::string& list, const std::string& etag) {
  std::string_view rest = list;
  while (!rest.empty()) {
    auto item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(item.size() + 1, rest.size()));
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (item == "*" || http::bare_etag(item) == etag) return true;
  }
  return false;
}

}  // namespace

ServerResponse hub_json_answer(const Json& json, int status) {
  ServerResponse response;
  response.status = status;
  response.headers.add("Content-Type", "application/json; charset=utf-8");
  response.body = dump_json(json);
  return response;
}

ServerResponse hub_refusal(int status, const std::string& code, const std::string& message) {
  auto response = hub_json_answer({{"error", message}}, status);
  if (!code.empty()) response.headers.add("X-Error-Code", code);
  response.headers.add("X-Error-Message", message);
  return response;
}

ServerResponse hub_no_entry(const ServedSnapshot& served) {
  auto response = hub_refusal(404, "EntryNotFound", "Entry not found");
  // With the commit clients remember the miss.
  response.headers.add("X-Repo-Commit", served.commit);
  return response;
}

bool hub_flag(const ServerRequest& request, std::string_view name) {
  return is_true(parameter(request, name).value_or(""));
}

ServerResponse hub_tree(const ServerRequest& request, const ServedSnapshot& served,
                        const std::string& folder, std::size_t page_size) {
  const bool expand = hub_flag(request, "expand"), recursive = hub_flag(request, "recursive");
  const auto entries = hub_listing(served, folder, recursive);
  if (!entries) return hub_no_entry(served);
  const auto begin = parse_u64(parameter(request, "cursor").value_or("0"));
  const auto limit = parse_u64(parameter(request, "limit").value_or(std::to_string(page_size)));
  if (!begin || *begin > entries->size() || !limit || *limit == 0)
    return hub_refusal(400, "", "Bad cursor or limit");
  const auto count = std::min({*limit, std::uint64_t{page_size}, entries->size() - *begin});
  const auto end = *begin + count;

  Json page = Json::array();
  for (auto i = *begin; i < end; ++i)
    page.push_back(hub_entry_json((*entries)[static_cast<std::size_t>(i)], served, expand));
  auto response = hub_json_answer(page);
  if (end < entries->size())
    response.headers.add(
        "Link", fmt::format("<{}{}?recursive={}&expand={}&limit={}&cursor={}>; rel=\"next\"",
                            own_origin(request), request.path, recursive, expand, *limit, end));
  return response;
}

ServerResponse hub_paths_info(const ServerRequest& request, const ServedSnapshot& served) {
  const auto question = read_question(request);
  if (!question) return hub_refusal(400, "", "The body must state \"paths\"");
  Json found = Json::array();
  for (const auto& path : question->paths)
    if (const auto entry = hub_entry(served, path))
      found.push_back(hub_entry_json(*entry, served, question->expand));
  return hub_json_answer(found);
}

ServerResponse hub_file(const ServerRequest& request,
                        const std::shared_ptr<const ServedSnapshot>& served,
                        const std::string& path, const std::shared_ptr<Source>& source,
                        const std::stop_token& stop) {
  const auto* file = served->find(path);
  if (file == nullptr) return hub_no_entry(*served);

  const auto size = file->entry.size;
  const auto etag = fmt::format("\"{}\"", file->etag);
  ServerResponse response;
  response.headers.add("X-Repo-Commit", served->commit);
  response.headers.add("ETag", etag);
  // The same once more: proxies drop Content-Length of a HEAD and rewrite ETags.
  response.headers.add("X-Linked-Size", std::to_string(size));
  response.headers.add("X-Linked-ETag", etag);
  response.headers.add("Accept-Ranges", "bytes");
  response.headers.add("Content-Type", content_type(file->entry.path));
  if (const auto known = request.headers.get("If-None-Match");
      known && names_etag(*known, file->etag)) {
    response.status = 304;
    return response;
  }

  // A range of another content is answered with the whole of this one; HEAD knows no ranges.
  const auto pinned = request.headers.get("If-Range");
  const bool whole = request.head_only || (pinned && http::bare_etag(*pinned) != file->etag);
  const auto asked = whole ? std::nullopt : request.headers.get("Range");
  const auto answer = answer_range(asked, size);
  if (asked && size == 0) {
    // The JavaScript client asks for byte 0 of everything, takes the size from Content-Range, and
    // takes 416 for a failure.
    response.headers.add("Content-Range", "bytes */0");
    return response;
  }
  response.status = answer.status;
  if (answer.status == 416) {
    response.headers.add("Content-Range", fmt::format("bytes */{}", size));
    return response;
  }
  if (answer.status == 206)
    response.headers.add("Content-Range", fmt::format("bytes {}-{}/{}", answer.range.offset,
                                                      answer.range.end() - 1, size));
  response.length = answer.range.length;
  response.produce = [source, served, file, begin = answer.range.offset, stop](std::uint64_t offset,
                                                                               MutableBytes out) {
    source->read(file->entry, begin + offset, out, stop);
  };
  return response;
}

ServerResponse hub_pointer(const ServedFile& file, const ServedSnapshot& served) {
  ServerResponse response;
  response.headers.add("X-Repo-Commit", served.commit);
  response.headers.add("ETag", fmt::format("\"{}\"", file.blob_id));
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.body = file.pointer;
  return response;
}

}  // namespace dray
