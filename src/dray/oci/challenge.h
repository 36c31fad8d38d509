// What a registry asks for when it answers 401: the field WWW-Authenticate (RFC 9110 section 11).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dray/http/headers.h"

namespace dray::oci {

/// One way to authenticate. Parameters that were not stated are ""; others than these are dropped.
struct Challenge {
  std::string scheme;   // lower case: "bearer", "basic"
  std::string realm;    // Bearer: the URL of the token service; Basic: a text for people
  std::string service;  // the registry's name at the token service
  std::string scope;    // rights that the request needs, space-separated
  std::string error;    // "invalid_token", "insufficient_scope" (RFC 6750 section 3.1)
  bool operator==(const Challenge&) const = default;
};

/// The challenges of one field value, in order. Beyond the grammar, unquoted values may hold what
/// URLs are made of, a space may stand for a comma, and of parameters given twice the first counts.
/// Throws Code::malformed for other texts, for more than 64 KiB, 16 challenges, or 64 parameters of
/// one.
std::vector<Challenge> parse_challenges(std::string_view value);
/// Those of all WWW-Authenticate fields.
std::vector<Challenge> challenges_of(const http::Headers& headers);

}  // namespace dray::oci
