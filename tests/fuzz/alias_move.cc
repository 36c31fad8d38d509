// Moves of aliases, as anyone with access to the bucket may have written them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "dray/base/error.h"
#include "dray/store/catalog.h"
#include "dray/store/dir_upload.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // The text form is unique, but for leading zeros of the size.
  if (const auto sidecar = dray::dir::parse_sidecar(text))
    if (dray::dir::sidecar_text(*sidecar) != text && text.find("\n0") == std::string_view::npos)
      std::abort();
  try {
    const auto move = dray::parse_alias_move(text, "move");
    const auto again = dray::parse_alias_move(dray::alias_move_text(move), "move");
    if (again.seq != move.seq || again.version != move.version || again.time != move.time ||
        again.reason != move.reason)
      std::abort();
  } catch (const dray::Error&) {
  }
  return 0;
}
