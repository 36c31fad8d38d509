// Content-Range decides which bytes an answer holds; ETags and excerpts of bodies are shown to
// people.
#include <fmt/format.h>

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "dray/http/excerpt.h"
#include "dray/http/headers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto parsed = dray::http::parse_content_range(text)) {
    const auto& [range, total] = *parsed;
    assert(range.length > 0 && range.end() > range.offset);
    assert(!total || range.end() <= *total);
    const auto again = dray::http::parse_content_range(fmt::format(
        "bytes {}-{}/{}", range.offset, range.end() - 1, total ? std::to_string(*total) : "*"));
    assert(again && again->range == range && again->total == total);
  }
  assert(dray::http::bare_etag(text).size() <= size);

  dray::http::Response response;
  response.body = text;
  for (const std::string& shown :
       {dray::http::body_excerpt(response), dray::http::body_code(response)}) {
    assert(shown.size() <= 300);
    assert(dray::http::clean_text(shown) == shown);
    for (const char c : shown) assert(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
  }
  return 0;
}
