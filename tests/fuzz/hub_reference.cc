// What users type as a repository: read or refused with a usage error, and written so that it is
// read the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "dray/base/error.h"
#include "dray/hub/reference.h"

namespace {

constexpr std::string_view kEndpoint = "https://hub.example/mirror";

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const dray::hub::RepoRef ref = dray::hub::parse_reference(text, kEndpoint);
    require(dray::hub::is_repo_id(ref.repo));
    require(ref.repo.find("..") == std::string::npos && !ref.last_part().empty());
    if (!ref.revision.empty()) dray::hub::check_revision(ref.revision);
    require(dray::hub::parse_reference(ref.text(), kEndpoint) == ref);
  } catch (const dray::Error& error) {
    require(error.code() == dray::Code::usage || error.code() == dray::Code::unsupported);
  }
  return 0;
}
