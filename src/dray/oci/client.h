// One repository of a registry (OCI distribution-spec 1.1): blobs, uploads, manifests, tags,
// referrers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/http/client.h"
#include "dray/http/retry.h"
#include "dray/oci/credentials.h"
#include "dray/oci/image.h"
#include "dray/oci/images.h"
#include "dray/oci/reference.h"

namespace dray::oci {

struct ClientOptions {
  Reference reference;  // its host and repository; tag and digest do not count
  Credentials credentials;
  http::ClientOptions http;
  http::RetryPolicy retry;  // of requests without a body, and of small ones that may be repeated
  Side side = Side::none;   // named in errors
  bool writes = false;      // asks for the right to push, too
};

/// An upload that is under way: where its next request goes, which every answer may change.
struct UploadSession {
  http::Url location;
  std::uint64_t chunk_min = 0;  // shortest chunk that the registry takes, 0 = any
  std::uint64_t excess = 0;     // by how much its answers about what it holds are too high (Quay)
};

/// Thread-safe. Constructors do no I/O. The registry's credentials go to its own origin only:
/// redirects and upload locations elsewhere are followed without them.
class Client final : public Images {
 public:
  explicit Client(ClientOptions options);
  ~Client() override;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const Reference& reference() const;
  /// "oci://host/repository", for messages.
  std::string name() const override;

  /// Credentials and the right to read, or (with `writes`) to write: an upload is begun and
  /// cancelled. Code::auth, Code::not_found, Code::network … with the next step as hint.
  void check_access(const std::stop_token& stop);

  // ---- blobs
  /// Its size; nullopt if the repository does not have it.
  std::optional<std::uint64_t> blob_size(const std::string& digest, const std::stop_token& stop);
  /// Fills `out` from `offset` on, of a blob of `size` bytes. One try, but a remembered link that
  /// is refused is found anew. Bytes are not verified. Code::unsupported where the registry ignores
  /// ranges.
  void read_blob(const std::string& digest, std::uint64_t size, std::uint64_t offset,
                 MutableBytes out, const std::stop_token& stop) override;
  /// All of a small blob, verified, with retries; Code::malformed above `limit` bytes.
  std::string small_blob(const Descriptor& blob, std::uint64_t limit,
                         const std::stop_token& stop) override;

  // ---- uploads
  /// Makes a blob of another repository of this registry one of this repository, moving no bytes.
  /// False if the registry did not: it may not know the blob, or not let us read there.
  bool mount(const std::string& digest, const std::string& from_repository,
             const std::stop_token& stop);
  /// Begins an upload. Repeating it leaves another one behind, which registries clean up.
  UploadSession begin_upload(const std::stop_token& stop);
  /// Sends a body of unknown length as one PATCH, without a range. One try.
  void patch_stream(UploadSession& session, const http::BodyStream& body,
                    const std::stop_token& stop);
  /// Sends the bytes from `offset` on as one chunk. One try.
  void patch_chunk(UploadSession& session, std::uint64_t offset, Bytes bytes,
                   const std::stop_token& stop);
  /// How many bytes the registry holds of the upload; nullopt if it no longer knows it or does not
  /// say.
  std::optional<std::uint64_t> upload_size(UploadSession& session, const std::stop_token& stop);
  /// Ends the upload: the blob is there from now on. `body` are its last bytes. A lost answer is
  /// settled by looking. Code::verification if the registry got other bytes.
  void finish_upload(UploadSession& session, const std::string& digest, std::uint64_t size,
                     Bytes body, const std::stop_token& stop);
  /// A blob from memory: begin and finish, with retries.
  void put_blob(const std::string& digest, Bytes bytes, const std::stop_token& stop);
  /// Tells the registry to forget the upload. Failures are of no consequence.
  void cancel_upload(const UploadSession& session, const std::stop_token& stop);

  // ---- manifests: `reference` is a tag or a digest
  /// nullopt if there is none. Checked against its digest.
  std::optional<ManifestText> manifest(const std::string& reference,
                                       const std::stop_token& stop) override;
  /// Its digest, without reading it.
  std::optional<std::string> manifest_digest(const std::string& reference,
                                             const std::stop_token& stop);
  struct PutManifest {
    std::string digest;
    bool subject_known = false;  // the registry itself will list it among the subject's referrers
  };
  PutManifest put_manifest(const std::string& reference, std::string_view media_type,
                           const std::string& text, const std::stop_token& stop);
  /// Absent is success. Code::unsupported where the registry does not let manifests be deleted.
  void delete_manifest(const std::string& reference, const std::stop_token& stop);
  /// Takes a tag away, not what other tags name too. Code::unsupported where the registry cannot.
  void delete_tag(const std::string& tag, const std::stop_token& stop);
  /// All, sorted; empty for a repository that does not exist.
  std::vector<std::string> tags(const std::stop_token& stop);
  /// Manifests that name `digest` as their subject, of one artifact type. Where the registry has no
  /// such list, the tag "sha256-<hex>" serves as one (distribution-spec, "Referrers tag schema").
  std::vector<Descriptor> referrers(const std::string& digest, std::string_view artifact_type,
                                    const std::stop_token& stop);
  /// Whether the registry has such a list.
  bool lists_referrers(const std::stop_token& stop);
  /// Puts an artifact whose subject is another manifest, and keeps the list under the tag where the
  /// registry keeps none. Returns its digest.
  std::string put_referrer(const Manifest& artifact, const std::stop_token& stop);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dray::oci
