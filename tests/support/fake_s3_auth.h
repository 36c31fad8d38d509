// The signature check of FakeS3. It shares no code with dray's own signing, only the hash
// functions.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/fake_s3.h"

namespace dray::test {

/// Name and value pairs of a query, decoded, in order.
using FakeQuery = std::vector<std::pair<std::string, std::string>>;
FakeQuery fake_query(std::string_view query);
std::string fake_decode(std::string_view text);
/// All but A-Za-z0-9-._~ as %XX.
std::string fake_encode(std::string_view text);
/// "" if absent.
std::string fake_get(const FakeQuery& query, std::string_view name);

/// The refusal, or nullopt when the request is signed as it must be.
std::optional<RawResponse> check_signature(const RawRequest& request, const FakeS3Options& options,
                                           const std::set<std::string>& expired_tokens,
                                           std::int64_t now);

}  // namespace dray::test
