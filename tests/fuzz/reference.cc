// A reference: refused as usage, or its text is what was read.
#include "dray/model/reference.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "dray/base/bytes.h"
#include "dray/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = dray::as_text(std::as_bytes(std::span(data, size)));
  try {
    const auto reference = dray::parse_reference(text);
    if (reference.text() != text || reference.name.empty()) std::abort();
    if (!reference.version.empty() && !reference.alias.empty()) std::abort();
    if (dray::version_less(reference.version, dray::next_version({reference.version})) ==
        dray::version_less(dray::next_version({reference.version}), reference.version))
      std::abort();
  } catch (const dray::Error& e) {
    if (e.code() != dray::Code::usage) std::abort();
  }
  return 0;
}
