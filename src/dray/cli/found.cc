#include "dray/cli/found.h"

#include <utility>

#include "dray/base/error.h"
#include "dray/oci/reference.h"
#include "dray/store/catalog.h"
#include "dray/store/oci_sources.h"

namespace dray::cli {

namespace {

Found find_image(Context& context, const std::string& ref) {
  const oci::Reference image = oci::parse_reference(ref);
  oci::Reference repository = image;
  repository.tag = repository.digest = "";
  std::shared_ptr<Store> store = context.open_store(repository.text());
  auto images = std::static_pointer_cast<OciStore>(store);
  auto manifest = images->release_of(wanted_of(image), context.stop());
  if (manifest) return {std::move(store), std::move(manifest), nullptr};
  return {std::move(store), std::nullopt, plain_image_source(std::move(images), image)};
}

}  // namespace

bool names_image(const std::string& ref) {
  return ref.starts_with("oci://") || ref.starts_with("oci+http");
}

Found find(Context& context, const std::string& ref, const std::string& store) {
  if (names_image(ref)) return find_image(context, ref);
  const Reference reference = parse_reference(ref);
  std::shared_ptr<Store> opened = store.empty() ? context.open_store() : context.open_store(store);
  Manifest manifest = resolve_release(*opened, reference, context.stop());
  return {std::move(opened), std::move(manifest), nullptr};
}

Found find_release(Context& context, const std::string& ref, const std::string& store) {
  Found found = find(context, ref, store);
  if (found.manifest) return found;
  throw Error(Code::unsupported, "dray did not make this image, so there is no record of it")
      .on("find", ref)
      .hint("import it into a store first; `dray show` and `dray pull` take it as it is");
}

}  // namespace dray::cli
