// Images in a folder (OCI image-spec 1.1, image-layout.md), as `skopeo copy … oci:DIR` writes them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "dray/oci/images.h"

namespace dray::oci {

/// What "oci:DIR" or "oci:DIR:NAME" names; `folder` absolute, "~" expanded. Only where the text
/// is_layout().
struct LayoutAddress {
  std::filesystem::path folder;
  std::string name;  // "" = the only image there
};
LayoutAddress parse_layout(std::string_view text);
/// Begins with "oci:", but is no address of a registry.
bool is_layout(std::string_view text);

/// Reads only. The constructor does no I/O.
class Layout final : public Images {
 public:
  explicit Layout(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::string name() const override { return "oci:" + folder_.string(); }
  /// By digest, or by what the index calls it ("org.opencontainers.image.ref.name"); "" where the
  /// folder holds one image only.
  std::optional<ManifestText> manifest(const std::string& reference,
                                       const std::stop_token& stop) override;
  void read_blob(const std::string& digest, std::uint64_t size, std::uint64_t offset,
                 MutableBytes out, const std::stop_token& stop) override;
  std::string small_blob(const Descriptor& blob, std::uint64_t limit,
                         const std::stop_token& stop) override;

 private:
  std::filesystem::path blob_path(const std::string& digest) const;
  std::optional<std::string> digest_for(const std::string& reference) const;

  const std::filesystem::path folder_;
};

}  // namespace dray::oci
