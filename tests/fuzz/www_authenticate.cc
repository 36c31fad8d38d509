// The field WWW-Authenticate, and the scopes in it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "dray/base/error.h"
#include "dray/oci/challenge.h"
#include "dray/oci/scopes.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dray::oci;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Scopes scopes = Scopes::parse(text);
  require(Scopes::parse(scopes.text()) == scopes && scopes.cover(scopes));
  try {
    const auto challenges = parse_challenges(text);
    require(challenges.size() <= 16);
    for (const Challenge& challenge : challenges) {
      require(!challenge.scheme.empty());
      require(challenge.realm.size() + challenge.service.size() + challenge.scope.size() <= size);
      require(challenge.realm.find('\n') == std::string_view::npos);
    }
  } catch (const dray::Error& error) {
    require(error.code() == dray::Code::malformed);
  }
  return 0;
}
