// A Hugging Face Hub in memory, with its download host as a second origin, that can be told to
// behave as company mirrors do and to break any single answer. It answers what the Hub's own Python
// client asks for when it fetches a snapshot.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/bytes.h"
#include "tests/support/raw_server.h"

namespace dray::test {

struct FakeFile {
  std::string path;
  std::string content;
  bool lfs = false;
  /// Instead of `content`, for files too large to hold: bytes made on demand. `sha256` must be
  /// given then.
  std::uint64_t produced_size = 0;
  std::function<void(std::uint64_t offset, MutableBytes out)> produce;
  /// What the listing and the headers state; filled from the content where empty. Set to something
  /// else to lie.
  std::string sha256, git_sha1;
  std::uint64_t size() const { return produce ? produced_size : content.size(); }
};

FakeFile git_file(std::string path, std::string content);
FakeFile lfs_file(std::string path, std::string content);

struct FakeRepo {
  std::string id;  // "org/name"
  std::vector<FakeFile> files;
  std::string card = "{}";  // JSON: cardData of the info
  std::string pipeline_tag, library;
  std::vector<std::string> tags;
  bool is_private = false;  // answers only to the token
  bool disabled = false;
  std::string gated;       // "", "auto", "manual"
  bool granted = true;     // whether the token has access to a gated repository
  std::string renamed_to;  // every request is redirected there
};

/// What mirrors (Artifactory, Nexus, olah …) do differently; the defaults are the Hub's own
/// behaviour.
struct HubQuirks {
  std::size_t page_size = 1000;  // entries of a tree page
  bool tree = true;              // false: no tree endpoint (404)
  bool info_commit = true;       // false: info has no "sha"
  bool commit_header = true;     // X-Repo-Commit
  bool digests = true;           // false: no oid, no lfs in tree and siblings
  bool sibling_sizes = true;     // ?blobs=true is honoured
  bool etags = true;
  bool quoted_etags = true;
  bool linked_headers = true;  // X-Linked-Etag, X-Linked-Size
  bool head = true;            // false: HEAD answers 405
  bool ranges = true;          // false: 200 with the whole body
  bool cdn = true;             // false: LFS files come from the Hub's own origin
  int redirect_status = 302;   // of the redirect to the download host
  bool resolve_cache = false;  // git-kept files: 307 with a relative Location on the same origin
  bool pointers = false;       // LFS files give their pointer text as content
  bool login_page = false;     // 200 and HTML to everything
};

class FakeHub {
 public:
  FakeHub();
  ~FakeHub();

  /// Adds a repository, or a new commit to one: "main" moves, older commits stay readable. Returns
  /// the commit.
  std::string put(FakeRepo repo);
  void tag(const std::string& repo, const std::string& name, const std::string& commit);
  /// A commit that is gone (force push): every request for it answers RevisionNotFound.
  void forget(const std::string& repo, const std::string& commit);

  void quirks(HubQuirks quirks);
  /// Sees each right answer before it is sent and may change or replace it. Called from several
  /// threads.
  using Fault = std::function<void(const RawRequest&, RawResponse&)>;
  void hub_fault(Fault fault);
  void cdn_fault(Fault fault);
  /// Signed links handed out so far answer 403 from now on.
  void expire_links();
  /// Every link handed out from now on answers 403 after so many GETs; 0 = no limit.
  void link_uses(std::uint64_t uses);

  /// What $HF_ENDPOINT would be, and the other origin.
  std::string url() const;
  std::string cdn_url() const;
  /// The token that is accepted; others are bad.
  static constexpr std::string_view kToken = "hf_testtoken0123456789";

  std::vector<RawRequest> hub_requests() const;
  std::vector<RawRequest> cdn_requests() const;
  /// Requests to the Hub whose method is `method` and whose path contains `part`.
  std::size_t count(std::string_view method, std::string_view part) const;
  /// An Authorization header arrived at the download host.
  bool token_leaked() const;

 private:
  struct Repo;
  struct Commit;
  struct Link;
  struct Found;
  RawResponse answer_hub(const RawRequest& request);
  RawResponse answer_cdn(const RawRequest& request);
  RawResponse route(const RawRequest& request);
  RawResponse info(const RawRequest& request, const std::string& repo, const std::string& revision);
  RawResponse tree(const RawRequest& request, const std::string& repo, const std::string& revision,
                   const std::string& folder);
  RawResponse file(const RawRequest& request, const std::string& repo, const std::string& revision,
                   const std::string& path, bool from_cache);
  Found find(const RawRequest& request, const std::string& repo, const std::string& revision,
             bool content);
  RawResponse bytes(const RawRequest& request, const FakeFile& file, const HubQuirks& quirks);
  std::string sign(std::shared_ptr<const FakeFile> file);

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Repo>> repos_;
  std::map<std::string, Link> links_;  // by signature
  std::uint64_t next_link_ = 1, link_uses_ = 0;
  HubQuirks quirks_;
  Fault hub_fault_, cdn_fault_;
  // Last: their threads use the members above.
  std::unique_ptr<RawServer> cdn_, hub_;
};

}  // namespace dray::test
