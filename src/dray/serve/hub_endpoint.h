// The read side of the Hugging Face Hub's HTTP API over sources, for its unmodified clients.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/http/server.h"
#include "dray/serve/served_snapshot.h"
#include "dray/source/source.h"

namespace dray {

struct ServedRepo {
  std::string id;  // "org/name" or "name", as the Hub allows
  std::shared_ptr<Source> source;
};

struct HubEndpointOptions {
  std::size_t page_size = 1000;  // entries of a tree page
};

/// Answers requests for repositories, their listings and their files:
///   GET  /api/models                                    the repositories
///   GET  /api/models/{id}[/revision/{rev}]              facts; ?blobs=true adds sizes and digests
///   GET  /api/models/{id}/tree/{rev}[/{folder}]         ?recursive= &expand= &limit= &cursor=
///   POST /api/models/{id}/paths-info/{rev}              as a form or as JSON
///   GET  /api/models/{id}/refs
///   GET  /api/whoami-v2
///   GET, HEAD /{id}/resolve/{rev}/{path}                ranges, If-None-Match, If-Range
///   GET, HEAD /{id}/raw/{rev}/{path}                    the same, but pointers of LFS files
/// Everything else is 404 with the Hub's X-Error-Code. There is no access control here: what is
/// served is public to whoever can connect.
///
/// A source is asked for its snapshot at the first request for its repository, once; it is tried
/// again when that failed. Thread-safe.
class HubEndpoint {
 public:
  /// Throws Code::usage for ids that the Hub's clients refuse, and for doubled ones.
  explicit HubEndpoint(std::vector<ServedRepo> repos, HubEndpointOptions options = {});
  /// Reads that are going on are stopped; the server must be gone by then.
  ~HubEndpoint();
  HubEndpoint(const HubEndpoint&) = delete;
  HubEndpoint& operator=(const HubEndpoint&) = delete;

  http::ServerResponse handle(const http::ServerRequest& request);

 private:
  struct Repo;
  struct Target;
  std::shared_ptr<const ServedSnapshot> load(Repo& repo);
  Repo* find(const std::vector<std::string>& segments, std::size_t at, std::size_t& next);

  http::ServerResponse api(const http::ServerRequest& request,
                           const std::vector<std::string>& segments);
  http::ServerResponse list() const;
  http::ServerResponse model(const http::ServerRequest& request, Repo& repo,
                             const std::vector<std::string>& rest);
  http::ServerResponse file(const http::ServerRequest& request, Repo& repo,
                            const std::vector<std::string>& rest);

  const HubEndpointOptions options_;
  std::map<std::string, std::unique_ptr<Repo>, std::less<>> repos_;
  std::stop_source stop_;
};

}  // namespace dray
