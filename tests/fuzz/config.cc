// Configuration files: whatever they hold, they are read or refused with a clear error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "dray/base/error.h"
#include "dray/cli/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  dray::cli::Config config;
  try {
    config.add(text, "f.yaml");
  } catch (const dray::Error& e) {
    if (e.code() != dray::Code::usage) std::abort();
    return 0;
  }
  for (const auto& [name, entry] : config.stores()) {
    const auto& [store, origin] = entry;
    if (name != store.name || store.uri.empty() || !origin.starts_with("f.yaml:")) std::abort();
    if (store.s3.access_key_env.empty() != store.s3.secret_key_env.empty()) std::abort();
  }
  // The same text again changes nothing.
  const auto values = config.values().size(), stores = config.stores().size();
  config.add(text, "g.yaml");
  if (config.values().size() != values || config.stores().size() != stores) std::abort();
  return 0;
}
