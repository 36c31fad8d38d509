// The download side of the Hub's HTTP API, also as company mirrors speak it.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/http/client.h"
#include "dray/http/retry.h"
#include "dray/http/url.h"
#include "dray/hub/links.h"
#include "dray/hub/listing.h"
#include "dray/hub/token.h"

namespace dray::hub {

struct ClientOptions {
  std::string endpoint;  // base address; "" = as the environment says
  TokenOptions token;
  http::ClientOptions http;
  http::RetryPolicy retry;  // of requests for metadata
};

/// One repository at one commit (or at a branch's name, where a mirror states no commit).
struct Pin {
  std::string repo;
  std::string commit;
};

/// What the Hub says of one file without giving it.
struct FileFacts {
  std::optional<std::uint64_t> size;
  std::string etag;  // bare; of the content, or of a mirror's own making
  std::string
      commit;  // X-Repo-Commit, "" where not stated: then the ETag's meaning is not known either
};

/// Thread-safe. Requests for metadata are retried inside by the policy; reads of content are one
/// try each, except that a link which expired is found again once. The token goes to the Hub's own
/// origin only: redirects elsewhere get none, next pages elsewhere are refused. Errors carry
/// Side::source and the Hub's request id. With $HF_HUB_OFFLINE every call is Code::usage.
class Client {
 public:
  explicit Client(ClientOptions options);

  /// The base address in use, without trailing '/'.
  const std::string& endpoint() const { return endpoint_; }

  /// Facts of a repository, and what `revision` stands for now. A repository that was renamed is
  /// Code::not_found whose hint has the new name; one that differs in letter case only is answered
  /// with its `id`. `with_sizes` asks for sizes and digests of the siblings too (costly for the
  /// Hub; for mirrors without a tree).
  RepoInfo info(const std::string& repo, const std::string& revision, bool with_sizes,
                const std::stop_token& stop);

  /// All files, page by page; nullopt where the server has no such endpoint. Code::malformed for a
  /// next page on another origin, pages that repeat, or more files than `kMostFiles`.
  std::optional<std::vector<RepoFile>> tree(const Pin& pin, const std::stop_token& stop);

  /// Size and ETag of one file, by HEAD, or by a GET of one byte where HEAD does not tell.
  FileFacts facts(const Pin& pin, const std::string& path, const std::stop_token& stop);

  /// Fetches one byte (of an empty file nothing): throws what reading would throw (gated, missing).
  /// False when the server ignores ranges. `file.size` must be known.
  bool probe(const Pin& pin, const RepoFile& file, const std::stop_token& stop);

  /// Fills `out` from `offset` on by one ranged GET, straight from the file's link where that is
  /// known. Where the server ignores ranges, the file is read from its start and what lies before
  /// is thrown away. A file whose size, ETag or commit is not what was stated before is
  /// Code::verification, permanent. `file.size` must be known.
  void read(const Pin& pin, const RepoFile& file, std::uint64_t offset, MutableBytes out,
            const std::stop_token& stop);

  /// The whole file from its start, given to `sink` as it comes until `sink` answers false or
  /// throws. A body that ends early is a transient Code::network error, one that is too long
  /// Code::verification.
  void stream(const Pin& pin, const RepoFile& file, const std::function<bool(Bytes)>& sink,
              const std::stop_token& stop);

 private:
  struct Arrived;
  using Send = std::function<http::Response(const http::Request&)>;

  // client.cc: requests to the Hub's API
  http::Request request(const char* method, http::Url url, const char* verb, std::string object,
                        bool with_token);
  http::Response send_once(http::Request& request, const Send& send);
  http::Response ask(const Pin& asked, http::Url url, const char* verb,
                     const std::stop_token& stop);
  Error refusal(const http::Request& request, const http::Response& response, const Pin& asked,
                const std::string& path);
  Token look_for_token();
  Token token();
  /// Whether there is another token by now than the one that `refused` carried.
  bool renew_token(const http::Request& refused);
  void show_warnings(const http::Headers& headers);

  // fetch.cc: content
  Arrived walk(const char* method, const Pin& pin, const RepoFile& file, Links::Turn& turn,
               const Send& send);
  Arrived fetch(const char* method, const Pin& pin, const RepoFile& file, const Send& send,
                const std::stop_token& stop);
  Arrived fetch_first_byte(const Pin& pin, const RepoFile& file, const std::stop_token& stop);
  FileFacts facts_once(const Pin& pin, const std::string& path, const std::stop_token& stop);
  [[noreturn]] void judge(const Error& error, const Pin& pin, const RepoFile& file,
                          const std::stop_token& stop);
  void check_stated(const Pin& pin, const RepoFile& file, const http::Response& response);
  void check_size(const Pin& pin, const RepoFile& file, std::optional<std::uint64_t> found) const;
  http::Url resolve_url(const Pin& pin, const std::string& path) const;
  bool on_hub(const http::Url& url) const { return url.origin() == base_.origin(); }

  const ClientOptions options_;
  const std::string endpoint_;
  const http::Url base_;
  http::Client http_;
  Links links_;

  std::mutex mutex_;
  std::optional<Token> token_;    // found at the first request; guarded by mutex_
  std::set<std::string> warned_;  // topics; guarded by mutex_
};

/// Whether `status` is a redirect that names its target in Location.
bool is_redirect(int status);
/// The target of a redirect from `request`. Code::malformed when it is missing or broken, and when
/// it leads from https to http (loopback excepted).
http::Url redirect_target(const http::Request& request, const http::Response& response);
/// Code::usage where the environment forbids requests.
void refuse_offline(const std::string& object);

inline constexpr int kMostHops = 8;

}  // namespace dray::hub
