// Content: from a file's address on the Hub through redirects to where its bytes lie.
#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "dray/hub/client.h"
#include "dray/hub/reference.h"

namespace dray::hub {

namespace {

constexpr std::uint64_t kLongestPointer = 1024;  // bytes of an LFS pointer

std::string name_of(const Pin& pin, const std::string& path) {
  return "hf://" + pin.repo + "/" + path;
}

std::string key_of(const Pin& pin, const std::string& path) {
  return pin.repo + "@" + pin.commit + "/" + path;
}

/// How a host refuses a link: expired or withdrawn. Storages differ: 400 is Google's answer, 403
/// Amazon's.
bool is_refusal(int status) {
  return status == 400 || status == 401 || status == 403 || status == 404 || status == 410;
}

Error changed(const Pin& pin, const std::string& path, std::string what) {
  return Error(Code::verification, std::move(what))
      .on("read", name_of(pin, path))
      .from(Side::source)
      .hint(
          "the file was changed at its source, or a proxy or mirror gives something else; "
          "run again to take the present state");
}

std::optional<std::uint64_t> number_in(const http::Headers& headers, std::string_view name) {
  const std::optional<std::string> text = headers.get(name);
  return text ? parse_u64(*text) : std::nullopt;
}

/// The size of the whole file as an answer with content states it.
std::optional<std::uint64_t> stated_size(const http::Response& response) {
  if (response.status == 206) {
    const auto range =
        http::parse_content_range(response.headers.get("content-range").value_or(""));
    return range ? range->total : std::nullopt;
  }
  // The length of a redirect's own text is no size of the file, nor is that of compressed text.
  const std::string encoding = response.headers.get("content-encoding").value_or("identity");
  if (response.status != 200 || encoding != "identity") return std::nullopt;
  return number_in(response.headers, "content-length");
}

std::string stated_etag(const http::Response& response) {
  if (const auto linked = response.headers.get("x-linked-etag")) return http::bare_etag(*linked);
  if (response.status >= 300) return "";  // the tag of a redirect's text
  return http::bare_etag(response.headers.get("etag").value_or(""));
}

}  // namespace

/// The answer at the end of a chain of redirects, and what the Hub said on the way.
struct Client::Arrived {
  http::Request request;
  http::Response response;
  bool at_hub = false;  // the Hub itself answered last
  std::string etag, commit;
  std::optional<std::uint64_t> linked_size;
};

http::Url Client::resolve_url(const Pin& pin, const std::string& path) const {
  http::Url url = base_;
  if (url.path == "/") url.path.clear();
  url.path += "/" + pin.repo + "/resolve/" + http::percent_encode(pin.commit) + "/" +
              http::percent_encode(path, true);
  return url;
}

void Client::check_size(const Pin& pin, const RepoFile& file,
                        std::optional<std::uint64_t> found) const {
  if (!found || !file.size || *found == *file.size) return;
  const std::string sizes =
      std::to_string(*found) + " bytes, but the listing says " + std::to_string(*file.size);
  if (file.lfs && *found < kLongestPointer)
    throw changed(pin, file.path, sizes + ": this looks like an LFS pointer, not the file")
        .hint(
            "the server gives the pointers of large files instead of their content; ask its "
            "operator, or import from the Hub itself");
  throw changed(pin, file.path, sizes);
}

void Client::check_stated(const Pin& pin, const RepoFile& file, const http::Response& response) {
  if (response.status >= 400) return;
  const std::string commit = response.headers.get("x-repo-commit").value_or("");
  if (is_commit(pin.commit) && is_commit(commit) && commit != pin.commit)
    throw changed(pin, file.path, "the answer is of commit " + commit + ", not " + pin.commit);
  check_size(pin, file, number_in(response.headers, "x-linked-size"));
  const std::string etag = stated_etag(response);
  if (etag.empty()) return;
  const bool linked = response.headers.has("x-linked-etag");
  if (linked && !file.sha256.empty() && !sha256_of(etag).empty() && sha256_of(etag) != file.sha256)
    throw changed(pin, file.path, "SHA-256 " + etag + ", but the listing says " + file.sha256);
  const std::string first = links_.first_etag(
      key_of(pin, file.path), linked ? Links::Tag::linked : Links::Tag::direct, etag);
  if (first != etag)
    throw changed(pin, file.path, "the file changed: its ETag was " + first + ", now " + etag);
}

Client::Arrived Client::walk(const char* method, const Pin& pin, const RepoFile& file,
                             Links::Turn& turn, const Send& send) {
  const bool head = std::string_view(method) == "HEAD";
  Arrived at;
  http::Url url = turn.url() ? *turn.url() : resolve_url(pin, file.path);
  bool trusted = on_hub(url);  // once the way has left the Hub, no token any more
  for (int hops = 0; hops <= kMostHops; ++hops) {
    at.request = request(method, url, "read", name_of(pin, file.path), trusted);
    at.at_hub = trusted;
    at.response = send_once(at.request, send);
    if (trusted) {
      show_warnings(at.response.headers);
      check_stated(pin, file, at.response);
      if (std::string etag = stated_etag(at.response); !etag.empty()) at.etag = std::move(etag);
      if (auto commit = at.response.headers.get("x-repo-commit")) at.commit = std::move(*commit);
      if (const auto size = number_in(at.response.headers, "x-linked-size")) at.linked_size = size;
    }
    if (!is_redirect(at.response.status)) return at;
    url = redirect_target(at.request, at.response);
    if (!trusted || on_hub(url)) continue;
    trusted = false;
    turn.found(url);
    if (head) return at;  // links are signed for GET
  }
  throw Error(Code::malformed, "redirected in a circle")
      .on("read", name_of(pin, file.path))
      .from(Side::source);
}

/// One try, and a second one where the first used a remembered link that is refused now.
Client::Arrived Client::fetch(const char* method, const Pin& pin, const RepoFile& file,
                              const Send& send, const std::stop_token& stop) {
  refuse_offline(name_of(pin, file.path));
  for (bool again = false;; again = true) {
    Links::Turn turn = links_.begin(key_of(pin, file.path), stop);
    const bool remembered = turn.url().has_value();
    Arrived at = walk(method, pin, file, turn, send);
    const int status = at.response.status;
    if (status < 400) {
      if (at.at_hub && !is_redirect(status)) turn.found(at.request.url);
      return at;
    }
    if (is_refusal(status) && (remembered || !at.at_hub)) {
      turn.refused();
      if (remembered && !again) continue;
    }
    if (at.at_hub) throw refusal(at.request, at.response, pin, file.path);
    if (is_refusal(status))
      throw Error(Code::server, "the download host refuses the link that the Hub has just given")
          .on("read", name_of(pin, file.path))
          .from(Side::source)
          .http(status, "", http::request_id(at.response.headers))
          .transient();
    throw http::status_error(at.request, at.response);
  }
}

Client::Arrived Client::fetch_first_byte(const Pin& pin, const RepoFile& file,
                                         const std::stop_token& stop) {
  std::byte byte{};
  const http::RangeInto into{{0, 1}, {&byte, 1}, std::nullopt};
  return fetch(
      "GET", pin, file, [&](const http::Request& r) { return http_.send_range(r, into, stop); },
      stop);
}

FileFacts Client::facts_once(const Pin& pin, const std::string& path, const std::stop_token& stop) {
  const RepoFile file{.path = path};
  Arrived at;
  std::optional<std::uint64_t> size;
  try {
    at =
        fetch("HEAD", pin, file, [&](const http::Request& r) { return http_.send(r, stop); }, stop);
    size = at.linked_size ? at.linked_size : stated_size(at.response);
  } catch (const Error& error) {
    if (error.http_status() != 405 && error.http_status() != 501) throw;
  }
  if (!size) {
    try {
      at = fetch_first_byte(pin, file, stop);
      size = at.linked_size ? at.linked_size : stated_size(at.response);
    } catch (const Error& error) {
      if (error.http_status() != 416) throw;
      size = 0;  // only an empty file has no first byte
    }
  }
  return {size, at.etag, at.commit};
}

FileFacts Client::facts(const Pin& pin, const std::string& path, const std::stop_token& stop) {
  http::Retrier retrier(options_.retry);
  for (;;) {
    try {
      return facts_once(pin, path, stop);
    } catch (const Error& error) {
      retrier.failed(error, stop);
    }
  }
}

bool Client::probe(const Pin& pin, const RepoFile& file, const std::stop_token& stop) {
  if (file.size == 0) {
    check_size(pin, file, facts(pin, file.path, stop).size);
    return true;
  }
  http::Retrier retrier(options_.retry);
  for (;;) {
    try {
      const Arrived at = fetch_first_byte(pin, file, stop);
      check_size(pin, file, stated_size(at.response));
      return at.response.status == 206;
    } catch (const Error& error) {
      retrier.failed(error, stop);
    }
  }
}

/// `error` came of a range that was answered wrongly: finds out whether the file has another size
/// now, which is for good, or whether the next try may be right.
void Client::judge(const Error& error, const Pin& pin, const RepoFile& file,
                   const std::stop_token& stop) {
  const bool wrong_range = error.code() == Code::malformed || error.http_status() == 416;
  if (!wrong_range && error.code() != Code::verification) throw error;
  std::optional<std::uint64_t> size;
  try {
    size = stated_size(fetch_first_byte(pin, file, stop).response);
  } catch (const Error&) {
    throw error;  // the first one tells more
  }
  check_size(pin, file, size);
  if (wrong_range) throw Error(error).transient();
  throw error;
}

void Client::read(const Pin& pin, const RepoFile& file, std::uint64_t offset, MutableBytes out,
                  const std::stop_token& stop) {
  if (out.empty()) return;
  const ByteRange range{offset, out.size()};
  assert(file.size && range.end() <= *file.size);
  const http::RangeInto into{range, out, file.size};
  try {
    const Arrived at = fetch(
        "GET", pin, file, [&](const http::Request& r) { return http_.send_range(r, into, stop); },
        stop);
    if (at.response.received == out.size()) return;
    check_size(pin, file, stated_size(at.response));
  } catch (const Error& error) {
    judge(error, pin, file, stop);
  }
  // The range was ignored: take the file from its start.
  std::uint64_t at = 0;
  stream(
      pin, file,
      [&](Bytes bytes) {
        const std::uint64_t from = std::max(at, range.offset);
        const std::uint64_t to = std::min(at + bytes.size(), range.end());
        if (from < to)
          std::memcpy(out.data() + (from - range.offset), bytes.data() + (from - at), to - from);
        at += bytes.size();
        return at < range.end();
      },
      stop);
}

void Client::stream(const Pin& pin, const RepoFile& file, const std::function<bool(Bytes)>& sink,
                    const std::stop_token& stop) {
  assert(file.size);
  std::uint64_t got = 0;
  bool enough = false;
  const auto take = [&](Bytes bytes) {
    got += bytes.size();
    if (got > *file.size)
      throw changed(pin, file.path,
                    "the answer is longer than the " + std::to_string(*file.size) +
                        " bytes that the listing says");
    enough = !sink(bytes);
    return !enough;
  };
  const Arrived at = fetch(
      "GET", pin, file, [&](const http::Request& r) { return http_.send_streamed(r, take, stop); },
      stop);
  if (enough || got == *file.size) return;
  check_size(pin, file, stated_size(at.response));
  throw Error(Code::network, "the answer ended after " + std::to_string(got) + " of " +
                                 std::to_string(*file.size) + " bytes")
      .on("read", name_of(pin, file.path))
      .from(Side::source)
      .transient();
}

}  // namespace dray::hub
