// What users type as a repository of a registry: read or refused, and written so that it is read
// the same.
#include "dray/oci/reference.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "dray/base/error.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dray::oci;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const Reference ref = parse_reference(text);
    require(is_repository(ref.repository) && !ref.last_part().empty());
    require(ref.tag.empty() || is_tag(ref.tag));
    require(ref.digest.empty() || is_digest(ref.digest));
    require(ref.host.size() + ref.repository.size() < 255);
    require(ref.url().path == "/" && ref.url().query.empty());
    require(parse_reference(ref.text()) == ref);
  } catch (const dray::Error& error) {
    require(error.code() == dray::Code::usage || error.code() == dray::Code::unsupported);
  }
  return 0;
}
