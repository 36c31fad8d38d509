// Header fields that lists of links and quotas come in.
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dray/http/headers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto links = dray::http::parse_link(text);
  assert(links.size() <= 100);
  for (const auto& link : links) assert(text.find(link.target) != std::string_view::npos);
  if (const auto quota = dray::http::parse_rate_limit(text)) assert(quota->reset.count() <= 3600);
  if (const auto wait = dray::http::parse_retry_after(text))
    assert(wait->count() >= 0 && wait->count() <= 3600);
  return 0;
}
