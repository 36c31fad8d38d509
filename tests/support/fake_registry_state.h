// What a FakeRegistry holds and how it answers each operation, once a request is let in.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/json.h"
#include "tests/support/fake_registry.h"

namespace dray::test {

/// A request, taken apart.
struct RegistryCall {
  const RawRequest* request = nullptr;  // without body in `refuse`, with it in `handle`
  RegistryRequest::Host host = RegistryRequest::Host::registry;
  RegistryOp op = RegistryOp::unknown;
  std::string repository, reference;
  std::vector<std::pair<std::string, std::string>> query;  // decoded
  RegistryOptions options;                                 // as they were when it came
  std::int64_t now = 0;
  std::string storage_url;
  bool may_mount = true;  // the token covers the repository to mount from

  std::string header(std::string_view name) const { return request->header(name); }
  std::optional<std::string> arg(std::string_view name) const;
  const std::string& body() const { return request->body; }
  std::optional<std::uint64_t> content_length() const;
  /// "http://HOST", as the client named it.
  std::string base_url() const { return "http://" + header("host"); }
};
/// Host, operation, repository, reference and query; the rest is for the caller to fill in.
RegistryCall read_call(const RawRequest& request, RegistryRequest::Host host);

struct StoredManifest {
  std::string content, type, digest;
  std::string subject;  // a digest, or ""
  Json descriptor;      // of a list of referrers
};

struct StoredRepository {
  std::set<std::string> blobs;
  std::map<std::string, StoredManifest> manifests;  // by digest
  std::map<std::string, std::string> tags;
};

struct StoredBlobUpload {
  std::string id, repository, content;
  int patches = 0;
  std::uint64_t last_chunk = 0;  // bytes
};

/// Not thread-safe: FakeRegistry holds a mutex around it.
class RegistryState {
 public:
  using Refusal = std::optional<RawResponse>;

  std::map<std::string, std::string> contents;  // blobs, by digest
  std::map<std::string, StoredRepository> repositories;
  std::map<std::string, StoredBlobUpload> uploads;  // by id; ids ascend

  /// What can be said on the head of a request alone.
  Refusal refuse(const RegistryCall& call);
  RawResponse handle(const RegistryCall& call);
  /// The body ended early; the call holds what came.
  void interrupt(const RegistryCall& call);
  void expire_links() { links_.clear(); }
  /// The document is not checked.
  std::string store_manifest(const std::string& repository, const std::string& tag,
                             const std::string& type, const std::string& content);
  const StoredManifest* find_manifest(const std::string& repository,
                                      const std::string& reference) const;

 private:
  struct Link {
    std::string digest, method;
    std::uint64_t uses_left = 0;
    std::int64_t ends = 0;  // 0 = never
  };
  struct Chunk {
    std::uint64_t skip = 0;  // bytes that the upload has already
  };

  // fake_registry_blobs.cc
  RawResponse get_blob(const RegistryCall& call);
  RawResponse redirect(const RegistryCall& call);
  RawResponse stored_blob(const RegistryCall& call);
  RawResponse delete_blob(const RegistryCall& call);
  bool has_blob(const std::string& repository, const std::string& digest) const;

  // fake_registry_uploads.cc
  RawResponse start_upload(const RegistryCall& call);
  RawResponse mount_blob(const RegistryCall& call);
  RawResponse post_blob(const RegistryCall& call);
  RawResponse patch_upload(const RegistryCall& call, StoredBlobUpload& upload);
  RawResponse finish_upload(const RegistryCall& call, StoredBlobUpload& upload);
  RawResponse upload_status(const RegistryCall& call, const StoredBlobUpload& upload);
  /// The session that the call names, if it names it rightly.
  std::variant<StoredBlobUpload*, RawResponse> find_upload(const RegistryCall& call);
  std::variant<Chunk, RawResponse> check_chunk(const RegistryCall& call,
                                               const StoredBlobUpload& upload);
  Refusal check_patch(const RegistryCall& call, const StoredBlobUpload& upload);
  Refusal too_large(const RegistryCall& call, std::uint64_t size) const;
  RawResponse progress(const RegistryCall& call, const StoredBlobUpload& upload, int status);
  std::string location(const RegistryCall& call, const StoredBlobUpload& upload);
  RawResponse created(const RegistryCall& call, const std::string& digest) const;

  // fake_registry_manifests.cc
  RawResponse get_manifest(const RegistryCall& call) const;
  RawResponse put_manifest(const RegistryCall& call);
  RawResponse delete_manifest(const RegistryCall& call);
  Refusal check_manifest(const RegistryCall& call, const Json& document) const;

  // fake_registry_lists.cc
  RawResponse list_tags(const RegistryCall& call) const;
  RawResponse list_referrers(const RegistryCall& call) const;

  std::map<std::string, Link> links_;  // by signature
  std::uint64_t next_upload_ = 1, next_state_ = 1, next_link_ = 1;
};

// Shared by the parts of the implementation.
bool is_registry_digest(std::string_view text);  // "sha256:" and 64 hexadecimal digits
bool is_registry_tag(std::string_view text);
bool is_registry_name(std::string_view text);
/// 404 as a web server gives it, without an errors document.
RawResponse registry_no_route();
RawResponse registry_json(const Json& body, const std::string& type = "application/json");
/// Docker-Content-Digest, where the registry has it.
void add_digest(const RegistryCall& call, const std::string& digest, RawResponse& response);

}  // namespace dray::test
