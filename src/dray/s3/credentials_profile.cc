// Credentials of a profile: its own keys, a role assumed with those of another, a web identity, a
// sign-on, a program.
#include <fmt/format.h>

#include <set>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/s3/credentials_parts.h"

namespace dray::s3 {

namespace {

/// Follows source_profile from one profile to the next.
class ProfileChain {
 public:
  ProfileChain(const CredentialsOptions& options, const std::stop_token& stop)
      : options_(options),
        stop_(stop),
        profiles_(load_profiles(options.env)),
        region_(resolve_endpoint(options.settings, options.env, profiles_).region) {}

  const Profiles& profiles() const { return profiles_; }

  std::optional<Credentials> find(const std::string& name) {
    if (!seen_.insert(name).second)
      throw credentials_error("profile " + name, "source_profile leads back to this profile");
    if (get(name, "role_arn")) {
      if (get(name, "web_identity_token_file")) return web_identity(name);
      if (get(name, "source_profile") || get(name, "credential_source")) return role(name);
    }
    if (get(name, "sso_session") || get(name, "sso_start_url"))
      return sso_credentials(options_, profiles_, name, stop_);
    if (auto keys = own_keys(name)) return keys;
    if (const auto command = get(name, "credential_process"))
      return run_credential_process(*command, "credential_process of profile " + name, stop_);
    return std::nullopt;
  }

 private:
  std::optional<std::string> get(const std::string& name, const char* key) const {
    return profiles_.get(name, key);
  }

  std::optional<Credentials> own_keys(const std::string& name) const {
    const auto id = get(name, "aws_access_key_id"), secret = get(name, "aws_secret_access_key");
    if (!id && !secret) return std::nullopt;
    if (!id || !secret)
      throw credentials_error("profile " + name,
                              "aws_access_key_id and aws_secret_access_key must both be there");
    return Credentials{*id, Secret(*secret), Secret(get(name, "aws_session_token").value_or("")),
                       std::nullopt, "profile " + name};
  }

  http::Url sts(const std::string& name) const {
    return sts_endpoint(name, region_, options_.env, profiles_);
  }

  Credentials web_identity(const std::string& name) const {
    return assume_with_web_identity(options_,
                                    {*get(name, "role_arn"), *get(name, "web_identity_token_file"),
                                     session_name(get(name, "role_session_name"), options_)},
                                    sts(name), stop_);
  }

  Credentials role(const std::string& name) {
    if (get(name, "mfa_serial"))
      throw Error(Code::unsupported, "roles that ask for an MFA code are not supported")
          .on("read", "profile " + name)
          .from(Side::local)
          .hint("use credential_process with a program that asks for the code");
    const std::string arn = *get(name, "role_arn");
    const Credentials source = source_of(name);
    Form form{{"Action", "AssumeRole"},
              {"Version", "2011-06-15"},
              {"RoleArn", arn},
              {"RoleSessionName", session_name(get(name, "role_session_name"), options_)}};
    if (const auto id = get(name, "external_id")) form.emplace_back("ExternalId", *id);
    if (const auto seconds = get(name, "duration_seconds")) {
      if (!parse_u64(*seconds))
        throw credentials_error("profile " + name, "duration_seconds is not a number");
      form.emplace_back("DurationSeconds", *seconds);
    }
    return call_sts(options_, sts(name), form, "AssumeRoleResult", &source, region_,
                    "role " + arn + " of profile " + name, stop_);
  }

  /// The credentials that a role is assumed with.
  Credentials source_of(const std::string& name) {
    std::optional<Credentials> found;
    if (const auto source = get(name, "source_profile")) {
      // A profile may name itself: then its own keys are meant.
      found = *source == name ? own_keys(name) : find(*source);
    } else {
      const std::string from = *get(name, "credential_source");
      if (from == "Environment")
        found = environment_credentials(options_)(stop_);
      else if (from == "Ec2InstanceMetadata")
        found = instance_credentials(options_)(stop_);
      else if (from == "EcsContainer")
        found = container_credentials(options_)(stop_);
      else
        throw credentials_error("profile " + name, "credential_source has an unknown value");
    }
    if (!found)
      throw credentials_error("profile " + name, "no credentials to assume the role with");
    return std::move(*found);
  }

  const CredentialsOptions& options_;
  const std::stop_token& stop_;
  const Profiles profiles_;
  const std::string region_;
  std::set<std::string> seen_;
};

}  // namespace

CredentialSource profile_credentials(const CredentialsOptions& options) {
  return [options](const std::stop_token& stop) -> std::optional<Credentials> {
    // Read again each time: other programs renew what is in these files.
    ProfileChain chain(options, stop);
    const std::string name = profile_name(options.settings.profile, options.env);
    const bool asked_for = !options.settings.profile.empty() || options.env("AWS_PROFILE") ||
                           options.env("AWS_DEFAULT_PROFILE");
    if (!chain.profiles().has(name)) {
      if (!asked_for) return std::nullopt;
      throw Error(Code::usage, fmt::format("there is no profile \"{}\"", name))
          .on("read", "credentials")
          .from(Side::local)
          .hint(
              "see ~/.aws/config and ~/.aws/credentials (AWS_CONFIG_FILE, "
              "AWS_SHARED_CREDENTIALS_FILE)");
    }
    return chain.find(name);
  };
}

}  // namespace dray::s3
