// The AWS shared configuration files: ~/.aws/config and ~/.aws/credentials.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "dray/base/environment.h"

namespace dray::s3 {

/// Keys in lower case; a key of a nested block ("s3 =" and indented lines) as
/// "s3.addressing_style".
using Section = std::map<std::string, std::string>;

struct Profiles {
  std::map<std::string, Section> profiles;      // credentials file over config file, key by key
  std::map<std::string, Section> services;      // [services NAME]
  std::map<std::string, Section> sso_sessions;  // [sso-session NAME]
  /// The value, or nullopt where the profile or the key is missing or empty.
  std::optional<std::string> get(const std::string& profile, const std::string& key) const;
  bool has(const std::string& profile) const { return profiles.count(profile) != 0; }
};

/// Reads one file's text into `into`. In a config file profiles are "[default]" and "[profile
/// NAME]", in a credentials file "[NAME]". Lines that are none of these are Code::usage naming
/// `what` and the line number.
void parse_profiles(std::string_view text, bool credentials_file, std::string_view what,
                    Profiles& into);
/// Both files (AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE, else below ~/.aws); missing ones are
/// empty.
Profiles load_profiles(const Environment& env);
/// `wanted` if not empty, else AWS_PROFILE, AWS_DEFAULT_PROFILE, "default".
std::string profile_name(const std::string& wanted, const Environment& env);

}  // namespace dray::s3
