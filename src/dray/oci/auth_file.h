// Files of credentials as docker, podman and Kubernetes keep them (containers-auth.json(5)).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "dray/base/json.h"
#include "dray/oci/credentials.h"
#include "dray/oci/reference.h"

namespace dray::oci {

/// One file, read. Immutable.
///
/// Its keys are a host, "host:port" or either followed by the beginning of a repository's name,
/// whole parts of it; a leading "http://" or "https://" and an ending "/v1/" or "/v2/" do not
/// count, nor does ":443", and all names of Docker Hub are the same. Of several that fit a
/// reference the longest is used, and of those the one whose entry holds credentials.
class AuthFile {
 public:
  enum class Kind {
    standard,  // {"auths": {…}, "credHelpers": {…}, "credsStore": …}
    legacy,    // ~/.dockercfg: what "auths" holds
  };
  /// `name` is shown in errors. Throws Code::malformed for anything over 1 MiB or nested more than
  /// 16 levels deep, and for parts of a wrong type; entries are read when they are asked for.
  AuthFile(std::string_view text, std::string name, Kind kind = Kind::standard);

  const std::string& name() const { return name_; }
  /// What is stored in the file itself; nullopt where no entry with credentials fits. Throws
  /// Code::malformed when the entry that fits cannot be read.
  std::optional<Credentials> stored(const Reference& reference) const;
  /// The name of the helper for just this registry; "" = none, what is stored counts alone.
  std::optional<std::string> helper(const Reference& reference) const;
  /// The name of the helper for all registries.
  std::optional<std::string> general_helper() const;

 private:
  std::string checked_helper(const Json& name, std::string_view key) const;
  Credentials read_entry(const Json& entry, const std::string& key) const;
  [[noreturn]] void refuse(std::string message) const;

  std::string name_;
  Json auths_ = Json::object(), helpers_ = Json::object(), general_;
};

/// How many characters of host and repository `key` has in common with the reference; nullopt where
/// it does not fit.
std::optional<std::size_t> match_length(std::string_view key, const Reference& reference);

}  // namespace dray::oci
