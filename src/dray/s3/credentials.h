// AWS credentials: where they come from, and renewal before they expire.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/base/secret.h"
#include "dray/base/time.h"
#include "dray/http/retry.h"
#include "dray/s3/config.h"

namespace dray::s3 {

struct Credentials {
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token;
  std::optional<UnixTime> expires;
  std::string origin;  // for people: "environment", "profile prod", "web identity role arn:…"
};

/// One place to look. nullopt = nothing is configured there; an error = something is, and it
/// failed.
using CredentialSource = std::function<std::optional<Credentials>(const std::stop_token&)>;

/// Gives valid credentials to many threads. The first source that has some is kept. Renewal: from
/// 15 minutes before expiry one caller renews while the others go on with the old ones, and a
/// failure is only logged (tried again a minute later); from 10 minutes before, all wait for it,
/// and an error surfaces once the old ones are expired. For credentials that live shorter these
/// times shrink to half and a third of their life.
class CredentialsProvider {
 public:
  explicit CredentialsProvider(std::vector<CredentialSource> sources,
                               std::function<UnixTime()> now = unix_now);

  /// Throws Code::auth with the places that were tried when no source has any.
  std::shared_ptr<const Credentials> get(const std::stop_token& stop);
  /// The server says that `used` are expired: the next get() asks the source again, unless that has
  /// happened since.
  void expired(const Credentials& used);
  /// Where the current credentials come from, for people; "" before the first get().
  std::string origin() const;

 private:
  enum class Need { nothing, advised, must };
  Need need(UnixTime now) const;  // mutex_ held
  Credentials fetch(const std::stop_token& stop);

  std::vector<CredentialSource> sources_;
  std::function<UnixTime()> now_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::shared_ptr<const Credentials> current_;
  UnixTime fetched_at_ = 0, next_try_ = 0;
  bool refreshing_ = false;            // one thread is in fetch()
  bool refused_ = false;               // the server called current_ expired
  std::optional<std::size_t> chosen_;  // source; used by the thread in fetch() only
};

struct CredentialsOptions {
  Settings settings;
  Environment env = process_environment();
  std::function<UnixTime()> now = unix_now;
  http::RetryPolicy retry{.tries = 3};
  std::string container_host = "http://169.254.170.2";  // of AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
  /// Where there is no such service, this is how long finding that out takes.
  std::chrono::milliseconds instance_timeout{1'000};
};

/// The chain: keys in the settings (then nothing else) → environment (not with a profile chosen in
/// the settings) → STORAGE_CONFIG → profile (role with source_profile or credential_source, web
/// identity, single sign-on, keys, credential_process) → web identity of the environment →
/// container / EKS Pod Identity → instance metadata (IMDSv2 only, off under
/// AWS_EC2_METADATA_DISABLED=true). No I/O before the first get(). Half a pair of keys in the
/// settings is Code::usage.
std::shared_ptr<CredentialsProvider> find_credentials(CredentialsOptions options);

// The single sources, for tests and for those who want only one.
CredentialSource static_credentials(std::string access_key_id, Secret secret, Secret token,
                                    std::string origin);
CredentialSource environment_credentials(const CredentialsOptions& options);
CredentialSource profile_credentials(const CredentialsOptions& options);
CredentialSource web_identity_credentials(const CredentialsOptions& options);
CredentialSource container_credentials(const CredentialsOptions& options);
CredentialSource instance_credentials(const CredentialsOptions& options);

/// Words of a command as a POSIX shell splits them (quotes, backslash; no expansion); Code::usage
/// if unbalanced.
std::vector<std::string> split_command(std::string_view command);
/// Runs the command without a shell and reads the credentials it prints (at most 64 KiB, one
/// minute).
Credentials run_credential_process(const std::string& command, const std::string& origin,
                                   const std::stop_token& stop);
/// Whether a credentials token may be sent to this URL: https, or http to loopback and the fixed
/// link-local hosts.
bool container_host_allowed(const http::Url& url);

}  // namespace dray::s3
