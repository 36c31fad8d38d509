#include "dray/store/oci_sources.h"

#include <optional>
#include <utility>

#include "dray/oci/layout.h"
#include "dray/source/oci_source.h"
#include "dray/store/store_sources.h"

namespace dray {

std::string wanted_of(const oci::Reference& reference) {
  if (!reference.digest.empty()) return reference.digest;
  return reference.tag.empty() ? "latest" : reference.tag;
}

std::unique_ptr<Source> plain_image_source(std::shared_ptr<OciStore> store,
                                           const oci::Reference& reference) {
  OciSourceOptions options;
  options.images = store->images();
  options.uri = store->properties().uri;
  options.reference = wanted_of(reference);
  options.default_name = reference.last_part();
  return std::make_unique<OciSource>(std::move(options));
}

std::unique_ptr<Source> image_source(std::shared_ptr<OciStore> store,
                                     const oci::Reference& reference) {
  const auto look = [wanted = wanted_of(reference)](Store& in, const std::stop_token& stop) {
    return static_cast<OciStore&>(in).release_of(wanted, stop);
  };
  const auto otherwise = [store, reference] { return plain_image_source(store, reference); };
  const std::string place = store->place();
  return std::make_unique<ReleaseSource>(store, reference.text(), look, place, otherwise);
}

std::unique_ptr<Source> layout_source(const std::string& text) {
  const auto [path, name] = oci::parse_layout(text);
  OciSourceOptions options;
  options.images = std::make_shared<oci::Layout>(path);
  options.uri = options.images->name();
  options.reference = name;
  options.default_name =
      path.filename().empty() ? path.parent_path().filename().string() : path.filename().string();
  return std::make_unique<OciSource>(std::move(options));
}

}  // namespace dray
