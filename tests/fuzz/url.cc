// URLs from redirects and next-page links: what parses prints as itself, and no reference leads to
// a text that does not parse again.
#include "dray/http/url.h"

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dray/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  using namespace dray::http;
  try {
    const Url url = parse_url(text);
    assert(parse_url(url.text()) == url);
    assert(url.text().find('@') >= url.origin().size());
    static_cast<void>(is_loopback(url));
    for (const char c : url.shown()) assert(c > ' ' && c < 0x7F);
  } catch (const dray::Error&) {
  }
  try {
    const Url url = resolve(parse_url("https://host.example:8443/a/b/c?d"), text);
    assert(parse_url(url.text()) == url);
    assert(url.path.starts_with('/'));
    assert(url.path.find("/../") == std::string::npos && url.path.find("/./") == std::string::npos);
  } catch (const dray::Error&) {
  }
  assert(percent_decode(percent_encode(text)) == text);
  for (const auto& [key, value] : parse_query(text)) assert(key.size() + value.size() <= size);
  return 0;
}
