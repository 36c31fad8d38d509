// Manifests, indexes and configurations of images, as registries give them.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dray/base/error.h"
#include "dray/oci/image.h"

namespace {

/// What was read must be writable, and be read as the same again.
template <typename Parse>
void check(std::string_view text, Parse parse) {
  try {
    const std::string first = dray::oci::to_json_text(parse(text, "input"));
    if (dray::oci::to_json_text(parse(first, "output")) != first) __builtin_trap();
  } catch (const dray::Error& error) {
    if (error.code() != dray::Code::malformed && error.code() != dray::Code::unsupported)
      __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text, dray::oci::parse_image_manifest);
  check(text, dray::oci::parse_image_index);
  check(text, dray::oci::parse_image_config);
  return 0;
}
