// Paths from servers: an accepted one stays below the folder it is put under, on its own.
#include "dray/base/path.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = dray::as_text(std::as_bytes(std::span(data, size)));
  std::vector<std::string> paths;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    paths.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  try {
    dray::check_listing(paths, "fuzz");
  } catch (const dray::Error& e) {
    if (e.code() != dray::Code::malformed) std::abort();
    return 0;
  }
  for (const std::string& path : paths) {
    const auto placed = std::filesystem::path("/root") / path;
    if (placed.lexically_normal() != placed || !dray::valid_utf8(path)) std::abort();
    if (placed.string().compare(0, 6, "/root/") != 0) std::abort();
  }
  return 0;
}
