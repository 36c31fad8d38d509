// An OCI registry in memory, on RawServers: checks what a strict one checks, does what registries
// in use do differently, and misbehaves as told. Pushes and pulls are those of the OCI distribution
// specification 1.1, tokens those of the distribution project.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/fake_registry_faults.h"
#include "tests/support/fake_registry_options.h"
#include "tests/support/raw_server.h"

namespace dray::test {

struct FakeManifest {
  std::string content, type, digest;
};

struct FakeBlobUpload {
  std::string id, repository;
  std::string content;  // received so far
  int patches = 0;
};

/// Thread-safe. Digests are "sha256:…"; blobs belong to a repository, equal ones are kept once.
class FakeRegistry {
 public:
  explicit FakeRegistry(RegistryOptions options = {});
  ~FakeRegistry();
  std::string url() const;          // "http://127.0.0.1:PORT"
  std::string host() const;         // "127.0.0.1:PORT"
  std::string storage_url() const;  // the other host, where redirects lead
  std::string token_url() const;    // the realm of challenges
  /// Connections accepted at the registry's own port.
  std::size_t connections() const;
  RegistryOptions options() const;
  /// Changes how it behaves from now on.
  void configure(const std::function<void(RegistryOptions&)>& change);

  // What it holds. These go around authentication, checks and the log.
  void make_repository(const std::string& repository);
  std::string put_blob(const std::string& repository, std::string content);  // its digest
  void remove_blob(const std::string& repository, const std::string& digest);
  /// Other bytes under the same digest, in all repositories.
  void spoil_blob(const std::string& digest, std::string content);
  /// `reference`: a tag, or "" for none. The type is the document's mediaType. Returns its digest.
  std::string put_manifest(const std::string& repository, const std::string& reference,
                           const std::string& json);
  std::set<std::string> blobs(const std::string& repository) const;
  std::optional<std::string> blob(const std::string& repository, const std::string& digest) const;
  /// By tag or digest.
  std::optional<FakeManifest> manifest(const std::string& repository,
                                       const std::string& reference) const;
  std::map<std::string, std::string> tags(const std::string& repository) const;  // their digests
  std::vector<FakeBlobUpload> uploads() const;  // unfinished ones, the oldest first

  // What goes wrong.
  void fault(RegistryFault fault);
  void forget_uploads();
  void expire_links();   // those handed out so far
  void expire_tokens();  // likewise
  /// Faults that have not struck as often as they were to. A test that ends with some tested
  /// nothing.
  std::size_t faults_left() const;

  // What it saw.
  std::vector<RegistryRequest> requests() const;
  std::vector<RegistryRequest> requests(RegistryOp op) const;
  std::size_t count(RegistryOp op) const;
  std::vector<RegistryOp> operations() const;
  std::vector<RegistryTokenRequest> token_requests() const;
  /// An Authorization header arrived at the storage host.
  bool credentials_leaked() const;

  /// An errors document.
  static RawResponse error(int status, std::string_view code,
                           const std::string& message = "refused by the test server",
                           const std::string& detail_json = "null");
  static std::string digest_of(std::string_view content);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dray::test
