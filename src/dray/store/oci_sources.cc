#include "dray/store/oci_sources.h"

#include <optional>
#include <utility>

#include "dray/oci/layout.h"
#include "dray/source/oci_source.h"
#include "dray/store/store_sources.h"

namespace dray {

std::unique_ptr<Source> image_source(std::shared_ptr<OciStore> store,
                                     const oci::Reference& reference) {
  const std::string wanted = !reference.digest.empty() ? reference.digest
                             : !reference.tag.empty()  ? reference.tag
                                                       : "latest";
  const auto look = [wanted](Store& in, const std::stop_token& stop) {
    return static_cast<OciStore&>(in).release_of(wanted, stop);
  };
  const auto otherwise = [store, reference, wanted]() -> std::unique_ptr<Source> {
    OciSourceOptions options;
    options.images = store->images();
    options.uri = store->properties().uri;
    options.reference = wanted;
    options.default_name = reference.last_part();
    return std::make_unique<OciSource>(std::move(options));
  };
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
