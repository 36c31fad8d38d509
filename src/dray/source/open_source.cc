#include "dray/source/open_source.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/log.h"
#include "dray/hub/environment.h"
#include "dray/hub/reference.h"
#include "dray/source/cache_source.h"
#include "dray/source/folder_source.h"
#include "dray/source/hub_source.h"

namespace dray {

namespace {

constexpr const char* kForms =
    "write hf://org/name, ./folder, hf-cache:org/name or the address of a model's page";

/// "s3" of "s3://bucket", "" where there is no scheme.
std::string scheme_of(std::string_view text) {
  const std::size_t end = text.find("://");
  if (end == std::string_view::npos || end == 0) return "";
  for (const char c : text.substr(0, end))
    if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '+') return "";
  return std::string(text.substr(0, end));
}

std::unique_ptr<Source> open_folder(std::string_view path) {
  if (path.empty()) throw Error(Code::usage, "no folder is named").on("open source", "dir:");
  return std::make_unique<FolderSource>(expand_home(path));
}

std::unique_ptr<Source> open_hub(std::string_view text, const SourceOptions& options) {
  const std::string endpoint =
      options.hub.endpoint.empty() ? hub::endpoint() : options.hub.endpoint;
  hub::RepoRef ref = hub::parse_reference(text, endpoint);
  std::error_code ignored;
  if (scheme_of(text).empty() && std::filesystem::is_directory(std::string(text), ignored))
    warn("'{}' is taken from the Hub; the folder of that name is ./{}", text, text);
  return std::make_unique<HubSource>(std::move(ref), options.hub);
}

}  // namespace

bool is_path(std::string_view text) {
  return text.starts_with('/') || text.starts_with("./") || text.starts_with("../") ||
         text.starts_with("~/") || text == "." || text == ".." || text == "~";
}

std::unique_ptr<Source> open_source(std::string_view text, const SourceOptions& options) {
  if (is_path(text)) return open_folder(text);
  if (text.starts_with("dir:")) return open_folder(text.substr(4));
  if (text.starts_with("hf-cache:")) {
    text.remove_prefix(9);
    if (text.starts_with("//")) text.remove_prefix(2);
    return std::make_unique<CacheSource>(hub::parse_reference(text, hub::endpoint()), hub::cache());
  }
  const std::string scheme = scheme_of(text);
  if (const auto it = options.factories.find(scheme); it != options.factories.end())
    return it->second(std::string(text));
  if (scheme == "s3" || scheme == "oci")
    throw Error(Code::unsupported, "importing from " + scheme + ":// is not possible")
        .on("open source", std::string(text))
        .hint(kForms);
  if (!scheme.empty() && scheme != "hf" && scheme != "http" && scheme != "https")
    throw Error(Code::usage, "no source has the scheme '" + scheme + "'")
        .on("open source", std::string(text))
        .hint(kForms);
  return open_hub(text, options);
}

}  // namespace dray
