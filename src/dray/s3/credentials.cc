#include "dray/s3/credentials.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/s3/storage_config.h"

namespace dray::s3 {

namespace {

constexpr std::int64_t kAdvisory = 15 * 60, kMandatory = 10 * 60;
/// Not asked again sooner, whether that failed or gave credentials about to expire.
constexpr std::int64_t kPause = 60;

bool same(const Credentials& a, const Credentials& b) {
  return a.access_key_id == b.access_key_id &&
         a.secret_access_key.reveal() == b.secret_access_key.reveal() &&
         a.session_token.reveal() == b.session_token.reveal();
}

}  // namespace

CredentialsProvider::CredentialsProvider(std::vector<CredentialSource> sources,
                                         std::function<UnixTime()> now)
    : sources_(std::move(sources)), now_(std::move(now)) {}

CredentialsProvider::Need CredentialsProvider::need(UnixTime now) const {
  if (!current_ || refused_) return Need::must;
  if (!current_->expires) return Need::nothing;
  const std::int64_t left = *current_->expires - now;
  const std::int64_t life = std::max<std::int64_t>(0, *current_->expires - fetched_at_);
  if (left > std::min(kAdvisory, life / 2)) return Need::nothing;
  // Fresh ones that look expired mean that this machine's clock is wrong.
  if (now < next_try_ && (left > 0 || now < fetched_at_ + kPause)) return Need::nothing;
  return left > std::min(kMandatory, life / 3) ? Need::advised : Need::must;
}

std::shared_ptr<const Credentials> CredentialsProvider::get(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (true) {
    const Need wanted = need(now_());
    if (wanted == Need::nothing || (wanted == Need::advised && refreshing_)) return current_;
    if (!refreshing_) break;
    changed_.wait(lock, stop, [this] { return !refreshing_; });
    throw_if_stopped(stop);
  }
  refreshing_ = true;
  lock.unlock();
  std::optional<Credentials> fresh;
  std::optional<Error> failure;
  try {
    fresh = fetch(stop);
  } catch (...) {
    failure = current_error();
  }
  lock.lock();
  refreshing_ = false;
  changed_.notify_all();
  const UnixTime now = now_();
  if (fresh) {
    current_ = std::make_shared<const Credentials>(std::move(*fresh));
    fetched_at_ = now;
    next_try_ = now + kPause;
    refused_ = false;
    return current_;
  }
  const bool usable = current_ && !refused_ && current_->expires && *current_->expires > now;
  if (!usable || failure->code() == Code::cancelled) throw *failure;
  next_try_ = now + kPause;
  warn("credentials could not be renewed, going on with those that expire at {}: {}",
       rfc3339(*current_->expires), failure->what());
  return current_;
}

Credentials CredentialsProvider::fetch(const std::stop_token& stop) {
  // Only the thread that set refreshing_ is here, so chosen_ needs no lock.
  for (std::size_t i = chosen_.value_or(0); i < sources_.size(); ++i) {
    if (chosen_ && *chosen_ != i) break;
    if (auto found = sources_[i](stop)) {
      chosen_ = i;
      debug("S3 credentials from {}", found->origin);
      return std::move(*found);
    }
  }
  throw Error(Code::auth, "no S3 credentials found")
      .on("read", "credentials")
      .from(Side::local)
      .hint(
          "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE with a profile in "
          "~/.aws, or give the pod a role (web identity, EKS Pod Identity)");
}

void CredentialsProvider::expired(const Credentials& used) {
  const std::lock_guard lock(mutex_);
  if (current_ && same(*current_, used)) refused_ = true;
}

std::string CredentialsProvider::origin() const {
  const std::lock_guard lock(mutex_);
  return current_ ? current_->origin : "";
}

CredentialSource static_credentials(std::string access_key_id, Secret secret, Secret token,
                                    std::string origin) {
  Credentials credentials{std::move(access_key_id), std::move(secret), std::move(token),
                          std::nullopt, std::move(origin)};
  return [credentials](const std::stop_token&) { return std::optional(credentials); };
}

CredentialSource environment_credentials(const CredentialsOptions& options) {
  return [env = options.env](const std::stop_token&) -> std::optional<Credentials> {
    const auto id = env("AWS_ACCESS_KEY_ID"), secret = env("AWS_SECRET_ACCESS_KEY");
    if (!id && !secret) return std::nullopt;
    if (!id || !secret)
      throw Error(Code::auth, fmt::format("{} is set, but {} is not",
                                          id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                                          id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID"))
          .on("read", "credentials")
          .from(Side::local)
          .hint("set both or neither");
    auto token = env("AWS_SESSION_TOKEN");
    if (!token) token = env("AWS_SECURITY_TOKEN");
    Credentials out{*id, Secret(*secret), Secret(token.value_or("")), std::nullopt, "environment"};
    if (const auto expires = env("AWS_CREDENTIAL_EXPIRATION"))
      out.expires = parse_rfc3339(*expires);
    return out;
  };
}

namespace {

CredentialSource storage_config_credentials(const CredentialsOptions& options) {
  return [env = options.env](const std::stop_token&) -> std::optional<Credentials> {
    const auto entry = storage_config_of(env);
    if (!entry || entry->access_key_id.empty()) return std::nullopt;
    return Credentials{entry->access_key_id, entry->secret_access_key, entry->session_token,
                       std::nullopt, "STORAGE_CONFIG"};
  };
}

}  // namespace

std::shared_ptr<CredentialsProvider> find_credentials(CredentialsOptions options) {
  const Settings& settings = options.settings;
  std::vector<CredentialSource> sources;
  if (settings.access_key_id.empty() != settings.secret_access_key.empty())
    throw Error(Code::usage, "an access key and its secret must be given together")
        .on("read", "credentials")
        .from(Side::local);
  if (!settings.access_key_id.empty()) {
    sources.push_back(static_credentials(settings.access_key_id, settings.secret_access_key,
                                         settings.session_token, "the store's settings"));
    return std::make_shared<CredentialsProvider>(std::move(sources), options.now);
  }
  if (settings.profile.empty()) {
    sources.push_back(environment_credentials(options));
    sources.push_back(storage_config_credentials(options));
  }
  sources.push_back(profile_credentials(options));
  if (settings.profile.empty()) sources.push_back(web_identity_credentials(options));
  sources.push_back(container_credentials(options));
  sources.push_back(instance_credentials(options));
  return std::make_shared<CredentialsProvider>(std::move(sources), options.now);
}

}  // namespace dray::s3
