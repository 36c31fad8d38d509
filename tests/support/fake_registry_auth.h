// Who a FakeRegistry lets in: Basic, and Bearer tokens with scopes (distribution's token
// specification).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/support/fake_registry_state.h"

namespace dray::test {

/// Not thread-safe: FakeRegistry holds a mutex around it.
class RegistryTokens {
 public:
  /// What the token endpoint was asked.
  std::vector<RegistryTokenRequest> log;

  /// 401 unless the call may be made; uses up one use of its token. Sets `may_mount`.
  std::optional<RawResponse> refuse(RegistryCall& call, const std::string& realm);
  /// An answer of the token endpoint.
  RawResponse issue(const RegistryCall& call);
  void expire() { tokens_.clear(); }

 private:
  using Actions = std::set<std::string>;
  using Scopes = std::map<std::string, Actions>;  // by repository
  struct Token {
    Scopes scopes;
    std::uint64_t uses_left = 0;
    std::int64_t ends = 0;  // 0 = never
  };

  std::optional<RawResponse> refuse_bearer(RegistryCall& call, const std::string& realm);
  const Token* find(const RegistryCall& call);
  static Scopes needed(const RegistryCall& call);
  static bool covers(const Scopes& have, const Scopes& wanted);

  std::map<std::string, Token> tokens_;
  std::uint64_t next_ = 1;
};

}  // namespace dray::test
