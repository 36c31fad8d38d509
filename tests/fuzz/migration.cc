// Plans of migrations, and the histories that anyone may have written into a registry.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "dray/base/error.h"
#include "dray/registry/move_body.h"
#include "dray/registry/registration_body.h"
#include "dray/release/migrate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto plan = dray::parse_plan(text, "plan");
    const std::string written = dray::plan_text(plan);
    if (dray::plan_text(dray::parse_plan(written, "plan")) != written) std::abort();
  } catch (const dray::Error&) {
  }
  const dray::Json artifact = {
      {"uri", "a"},
      {"customProperties", {{dray::kMoves, dray::string_property(std::string(text))}}}};
  const auto update = dray::moved_artifact(artifact, {.from = "a", .to = "b"}, 1);
  const auto moves = dray::read_moves(*update);
  if (moves.empty() || moves.size() > dray::kMostMoves || moves.front().to != "b") std::abort();
  dray::lies_below(text, "oci://host/a");
  dray::lies_below("oci://host/a", text);
  dray::readable_uri(text, "oci+http://host/a");
  return 0;
}
