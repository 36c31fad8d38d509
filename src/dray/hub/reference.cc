#include "dray/hub/reference.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/path.h"
#include "dray/http/url.h"

namespace dray::hub {

namespace {

constexpr std::string_view kHex = "0123456789abcdef";

Error wrong(std::string_view text, std::string why) {
  return Error(Code::usage, std::move(why))
      .on("read reference", std::string(text))
      .hint("write hf://org/name or hf://org/name@revision");
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// Why `part` of a repository id is wrong; nullptr if it is right.
const char* flaw_of_part(std::string_view part) {
  if (part.empty()) return "a part of the repository id is empty";
  if (part.size() > 96) return "a part of the repository id is longer than 96 characters";
  for (const char c : part)
    if (!is_word(c) && c != '-' && c != '.')
      return "a repository id has letters, digits, '.', '_' and '-' only";
  if (!is_word(part.front()) || !is_word(part.back()))
    return "a repository id neither begins nor ends with '.' or '-'";
  if (part.find("--") != std::string_view::npos || part.find("..") != std::string_view::npos)
    return "a repository id has no '--' and no '..'";
  if (part.ends_with(".git")) return "a repository id does not end in '.git'";
  return nullptr;
}

bool is_other_kind(std::string_view segment) {
  constexpr std::array kinds = {"datasets", "spaces", "kernels", "buckets", "collections"};
  return std::find(kinds.begin(), kinds.end(), segment) != kinds.end();
}

const char* flaw_of_id(std::string_view repo) {
  const std::size_t slash = repo.find('/');
  if (slash == std::string_view::npos) return flaw_of_part(repo);
  const std::string_view owner = repo.substr(0, slash);
  if (owner == "models" || owner == "api" || is_other_kind(owner))
    return "the first part is a word that the Hub keeps for itself";
  if (repo.find('/', slash + 1) != std::string_view::npos)
    return "a repository id is 'name' or 'org/name'";
  const char* flaw = flaw_of_part(owner);
  return flaw != nullptr ? flaw : flaw_of_part(repo.substr(slash + 1));
}

const char* flaw_of_revision(std::string_view revision) {
  if (revision.empty()) return "the revision is empty";
  if (revision.size() > 255) return "the revision is longer than 255 bytes";
  if (!valid_utf8(revision)) return "the revision is not UTF-8";
  for (const char c : revision) {
    const auto u = static_cast<unsigned char>(c);
    if (u <= ' ' || u == 0x7f || std::string_view("~^:?*[\\").find(c) != std::string_view::npos)
      return "the revision has a character that Git does not allow in names";
  }
  if (revision.front() == '-' || revision.front() == '/' || revision.back() == '/' ||
      revision.find("..") != std::string_view::npos ||
      revision.find("//") != std::string_view::npos ||
      revision.find("@{") != std::string_view::npos)
    return "the revision is not a name that Git allows";
  return nullptr;
}

[[noreturn]] void refuse_kind(std::string_view text, std::string_view kind) {
  throw Error(Code::unsupported,
              "this names one of the Hub's " + std::string(kind) + "; dray imports models")
      .on("read reference", std::string(text));
}

/// `rest` is "org/name[@rev]"; `text` is what was given.
RepoRef parse_id(std::string_view text, std::string_view rest) {
  RepoRef ref;
  const std::size_t at = rest.find('@');
  ref.repo = rest.substr(0, at);
  if (const char* flaw = flaw_of_id(ref.repo)) {
    if (std::count(ref.repo.begin(), ref.repo.end(), '/') > 1)
      throw wrong(text, "this names something inside a repository")
          .hint("name the repository (hf://org/name) and choose files with --include");
    throw wrong(text, flaw);
  }
  if (at == std::string_view::npos) return ref;
  const std::string_view given = rest.substr(at + 1);
  if (given.find('/') != std::string_view::npos && !given.starts_with("refs/"))
    throw wrong(text, "a '/' after the revision")
        .hint("write a '/' in a branch's name as %2F; choose files of a repository with --include");
  const std::optional<std::string> decoded = http::percent_decode(given);
  if (!decoded) throw wrong(text, "the revision has a broken %-escape");
  if (const char* flaw = flaw_of_revision(*decoded)) throw wrong(text, flaw);
  ref.revision = *decoded;
  return ref;
}

std::vector<std::string> decoded_segments(std::string_view text, std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end > 0) {
      const auto segment = http::percent_decode(path.substr(0, end));
      if (!segment) throw wrong(text, "the address has a broken %-escape");
      segments.push_back(*segment);
    }
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return segments;
}

std::string join(const std::vector<std::string>& segments, std::size_t first) {
  std::string out;
  for (std::size_t i = first; i < segments.size(); ++i) out += (i > first ? "/" : "") + segments[i];
  return out;
}

/// The path below the Hub's base; throws when the address is on no Hub that is known.
std::string_view path_on_hub(std::string_view text, const http::Url& url,
                             std::string_view endpoint) {
  constexpr std::array hosts = {"huggingface.co", "www.huggingface.co", "hf.co"};
  if (url.has_default_port() && std::find(hosts.begin(), hosts.end(), url.host) != hosts.end())
    return url.path;
  const http::Url base = http::parse_url(endpoint);
  std::string_view prefix = base.path;
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  const std::string_view path = url.path;
  if (url.origin() == base.origin() && path.starts_with(prefix) &&
      path.substr(prefix.size()).starts_with('/'))
    return path.substr(prefix.size());
  throw wrong(text, url.origin() + " is not the Hub in use (" + base.origin() + ")")
      .hint("set HF_ENDPOINT to the base address of this Hub, and import hf://org/name");
}

/// What follows the repository in the address of one of its pages.
void parse_page(std::string_view text, const std::vector<std::string>& segments, std::size_t at,
                RepoRef& ref) {
  if (at >= segments.size()) return;
  const std::string& page = segments[at];
  if (page == "commit" && at + 2 == segments.size()) {
    ref.revision = segments[at + 1];
  } else if (page == "tree" && at + 1 < segments.size()) {
    const std::string rest = join(segments, at + 1);
    if (at + 2 < segments.size() && !rest.starts_with("refs/"))
      throw wrong(text, "this is the address of a folder inside a repository")
          .hint("name the repository, and choose files with --include '" + segments.back() + "/*'");
    ref.revision = rest;
  } else if (page == "blob" || page == "resolve" || page == "raw") {
    throw wrong(text, "this is the address of one file")
        .hint("name the repository, and choose files with --include '" + segments.back() + "'");
  } else if (page != "tree") {
    throw wrong(text, "this is not the address of a model's page");
  }
  if (ref.revision.empty()) return;
  if (const char* flaw = flaw_of_revision(ref.revision)) throw wrong(text, flaw);
}

http::Url parse_url(std::string_view text) {
  try {
    return http::parse_url(text);
  } catch (const Error& error) {
    // The text is not repeated: it may hold a password.
    throw Error(Code::usage, error.message()).hint("copy the address of the model's page");
  }
}

RepoRef parse_address(std::string_view text, std::string_view endpoint) {
  const http::Url url = parse_url(text);
  const auto segments = decoded_segments(text, path_on_hub(text, url, endpoint));
  if (segments.empty() || segments[0] == "api" || segments[0] == "models")
    throw wrong(text, "this is not the address of a model's page");
  if (is_other_kind(segments[0])) refuse_kind(text, segments[0]);
  constexpr std::array pages = {"tree", "commit",  "blob",       "resolve",
                                "raw",  "commits", "discussions"};
  const bool short_id =
      segments.size() > 2 && std::find(pages.begin(), pages.end(), segments[1]) != pages.end();
  RepoRef ref;
  const std::size_t parts = segments.size() == 1 || short_id ? 1 : 2;
  ref.repo = parts == 1 ? segments[0] : segments[0] + "/" + segments[1];
  if (const char* flaw = flaw_of_id(ref.repo)) throw wrong(text, flaw);
  parse_page(text, segments, parts, ref);
  return ref;
}

}  // namespace

std::string RepoRef::text() const {
  if (revision.empty()) return uri();
  return uri() + "@" + http::percent_encode(revision);
}

std::string RepoRef::last_part() const { return repo.substr(repo.rfind('/') + 1); }

RepoRef parse_reference(std::string_view text, std::string_view endpoint) {
  if (text.starts_with("http://") || text.starts_with("https://"))
    return parse_address(text, endpoint);
  constexpr std::string_view scheme = "hf://";
  std::string_view rest = text;
  if (rest.starts_with(scheme)) rest.remove_prefix(scheme.size());
  const std::string_view first = rest.substr(0, rest.find('/'));
  if (first.size() < rest.size() && is_other_kind(first)) refuse_kind(text, first);
  if (rest.starts_with("models/")) rest.remove_prefix(7);
  return parse_id(text, rest);
}

void check_repo_id(std::string_view repo) {
  if (const char* flaw = flaw_of_id(repo)) throw wrong(repo, flaw);
}

bool is_repo_id(std::string_view repo) { return flaw_of_id(repo) == nullptr; }

void check_revision(std::string_view revision) {
  if (const char* flaw = flaw_of_revision(revision)) throw wrong(revision, flaw);
}

bool is_commit(std::string_view revision) {
  return revision.size() == 40 && revision.find_first_not_of(kHex) == std::string_view::npos;
}

}  // namespace dray::hub
