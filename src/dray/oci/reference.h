// How people write down a repository of an OCI registry.
#pragma once

#include <string>
#include <string_view>

#include "dray/http/url.h"

namespace dray::oci {

/// A repository of a registry and, where they were named, a tag and a digest.
struct Reference {
  std::string host;        // "host[:port]" as typed, lower case; IPv6 with brackets
  std::string repository;  // "org/name"; at Docker Hub with its "library/"
  std::string tag;         // "" if none was named
  std::string digest;      // "sha256:" and 64 hexadecimal digits, "" if none was named
  bool plain_http = false;

  /// "oci://host/org/name[:tag][@digest]", with "oci+http" or "oci+https" where "oci" would mean
  /// the other one; `parse_reference` reads it back.
  std::string text() const;
  /// "name" of "org/name".
  std::string last_part() const;
  /// Host and port that requests go to: at Docker Hub its API's, else `host`.
  std::string api_host() const;
  /// "https://api_host/" or "http://api_host/".
  http::Url url() const;
  /// The name that credential files and helpers know the registry by: at Docker Hub
  /// "https://index.docker.io/v1/", else `host`.
  std::string auth_key() const;
  bool operator==(const Reference&) const = default;
};

/// Reads `oci://HOST[:PORT]/REPOSITORY[:TAG][@sha256:…]`. It means https, but http for hosts of
/// this machine itself (localhost, 127.0.0.0/8, ::1); `oci+http://` and `oci+https://` say which.
/// `docker://` is another word for `oci://`, except that names without a host (a first part without
/// '.' and ':' that is not localhost) are Docker Hub's, as docker itself has it. Names and tags
/// follow the OCI distribution specification. Throws Code::usage with what to write instead;
/// Code::unsupported for digests other than SHA-256.
Reference parse_reference(std::string_view text);

/// docker.io or another of its names.
bool is_docker_hub(std::string_view host);
/// Lower-case letters and digits, joined by one '.', one or two '_' or any number of '-', in parts
/// between '/'.
bool is_repository(std::string_view name);
/// A letter, digit or '_', and up to 127 more of these, '.' and '-'.
bool is_tag(std::string_view tag);
/// "sha256:" and 64 lower-case hexadecimal digits.
bool is_digest(std::string_view digest);

}  // namespace dray::oci
