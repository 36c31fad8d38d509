// What a command's SOURCE names: a model of the Hub, a folder, a release of a store, a bucket's
// prefix.
#include "dray/source/open_source.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/cli/context.h"
#include "dray/cli/location.h"
#include "dray/oci/layout.h"
#include "dray/store/oci_sources.h"
#include "dray/store/store_sources.h"

namespace dray::cli {

namespace {

/// `dray import NAME --from STORE`.
Reference read_reference(const std::string& text) {
  try {
    return parse_reference(text);
  } catch (const Error& error) {
    throw Error(error).hint(
        "with --from, SOURCE is a release of that store: NAME, NAME:VERSION or NAME@ALIAS");
  }
}

/// What `text` says as NAME:VERSION or NAME@ALIAS.
std::optional<Reference> as_release(const std::string& text) {
  for (const char* scheme : {"dir:", "hf-cache:", "oci:"})
    if (text.starts_with(scheme)) return std::nullopt;
  try {
    return parse_reference(text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

bool is_release(const std::string& text) {
  const auto reference = as_release(text);
  return reference && (!reference->version.empty() || !reference->alias.empty());
}

/// "llama:1.0.0": nothing of the Hub, which has no ':' in names.
bool is_version_of_a_release(const std::string& text) {
  const auto reference = as_release(text);
  return reference && !reference->version.empty();
}

/// The address of a folder, so that the store around it can be found: "dir:/abs/path".
std::string folder_address(const std::string& text) {
  const std::string path = text.starts_with("dir:") ? text.substr(4) : text;
  return "dir:" + std::filesystem::absolute(expand_home(path)).lexically_normal().string();
}

}  // namespace

std::unique_ptr<Source> Context::open_image(const std::string& text) {
  oci::Reference image = oci::parse_reference(text);
  const oci::Reference whole = image;
  image.tag = image.digest = "";
  std::shared_ptr<Store> store = open_store(image.text(), Side::source);
  return image_source(std::static_pointer_cast<OciStore>(store), whole);
}

std::unique_ptr<Source> Context::open_source(const std::string& text,
                                             const std::string& release_store) {
  std::string from = find_option(command_, "from") == nullptr ? "" : args_.text("from");
  if (from.empty() && is_release(text)) from = release_store;
  if (!from.empty())
    return std::make_unique<ReleaseSource>(open_store(from, Side::source), read_reference(text),
                                           place());
  if (is_version_of_a_release(text))
    throw Error(Code::usage, "this names a release, and no store that it lies in")
        .on("open source", text)
        .hint(fmt::format("name the store with --from: dray import {} --from s3://BUCKET", text));
  return open_address(text);
}

std::unique_ptr<Source> Context::open_address(const std::string& text) {
  SourceOptions options;
  if (find_option(command_, "endpoint") != nullptr) {
    options.hub.endpoint = args_.text("endpoint");
    options.hub.token.file = args_.text("token-file");
  }
  options.factories["s3"] = [this](const std::string& uri) {
    return prefix_source(open_store(uri, Side::source));
  };
  options.factories["oci"] = options.factories["oci+http"] = options.factories["oci+https"] =
      options.factories["docker"] = [this](const std::string& uri) { return open_image(uri); };
  if (oci::is_layout(text)) return layout_source(text);
  const auto plainly = [text, options] { return dray::open_source(text, options); };
  // The folder of a version in a store: with its manifest it is more than a folder.
  const bool bucket = text.starts_with("s3://");
  if (!bucket && !text.starts_with("dir:") && !is_path(text)) return plainly();
  const Location location = read_location(bucket ? text : folder_address(text), place());
  if (!location.release || location.store == "dir:") return plainly();
  const auto& [name, version] = *location.release;
  return std::make_unique<ReleaseSource>(open_store(location.store, Side::source),
                                         Reference{name, version, ""}, place(), plainly);
}

}  // namespace dray::cli
