// Answers of S3 services: XML, error documents, lists' keys and metadata headers.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "dray/base/error.h"
#include "dray/base/path.h"
#include "dray/s3/errors.h"
#include "dray/s3/metadata.h"
#include "dray/s3/xml.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

std::size_t depth(const dray::s3::XmlNode& node) {
  std::size_t below = 0;
  for (const auto& child : node.children) below = std::max(below, depth(child));
  return below + 1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto root = dray::s3::try_parse_xml(text)) require(depth(*root) <= 16);
  const auto error = dray::s3::parse_service_error(text);
  for (const char c : error.message) require(static_cast<unsigned char>(c) >= 0x20);
  dray::s3::decode_metadata(text);
  try {
    const std::string escaped = dray::s3::xml_escape(text);
    const auto again = dray::s3::try_parse_xml("<k>" + escaped + "</k>");
    // U+FFFE and U+FFFF are UTF-8 that XML cannot hold; everything else comes back.
    if (again) require(again->text == text);
    const std::string header = dray::s3::encode_metadata(text);
    for (const char c : header) require(c >= 0x20 && c <= 0x7e);
    require(dray::s3::decode_metadata(header) == text);
  } catch (const dray::Error&) {
  }
  return 0;
}
