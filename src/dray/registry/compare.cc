#include "dray/registry/compare.h"

#include <fmt/format.h>

#include "dray/base/error.h"

namespace dray {

namespace {

[[noreturn]] void conflict(const Registration& wanted, std::string message) {
  throw Error(Code::conflict, std::move(message))
      .on("register", wanted.name + ":" + wanted.version)
      .from(Side::registry)
      .hint(
          "a registered version is never changed; import under another --name or --version, or "
          "leave this registry out with --registry none");
}

std::string_view without_final_slash(std::string_view uri) {
  if (uri.ends_with('/')) uri.remove_suffix(1);
  return uri;
}

}  // namespace

bool same_uri(std::string_view a, std::string_view b) {
  return without_final_slash(a) == without_final_slash(b);
}

void check_same_content(const Registration& wanted, std::string_view registered_digest) {
  const auto digest = wanted.properties.find(std::string(kRootDigest));
  if (digest == wanted.properties.end() || registered_digest.empty()) return;
  if (digest->second != registered_digest)
    conflict(wanted, fmt::format("already registered with other content: root digest {}, not {}",
                                 registered_digest, digest->second));
}

void check_further_place(const Registration& wanted, std::string_view registered_digest,
                         std::string_view registered_uri) {
  if (!registered_digest.empty() && wanted.properties.contains(std::string(kRootDigest))) return;
  conflict(wanted, fmt::format("already registered with another uri: {}, not {}", registered_uri,
                               wanted.uri));
}

}  // namespace dray
