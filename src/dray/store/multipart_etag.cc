#include "dray/store/multipart_etag.h"

#include <fmt/format.h>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "dray/http/headers.h"

namespace dray {

std::optional<std::string> multipart_etag(const std::vector<std::string>& part_etags) {
  Buffer all;
  for (const auto& etag : part_etags) {
    const auto digest = from_hex(http::bare_etag(etag));
    if (!digest || digest->size() != 16) return std::nullopt;
    all.insert(all.end(), digest->begin(), digest->end());
  }
  return fmt::format("{}-{}", to_hex(md5(all)), part_etags.size());
}

}  // namespace dray
