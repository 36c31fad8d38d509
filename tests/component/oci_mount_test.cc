// Copies from one repository of a registry to another: blobs are mounted where that is possible.
#include <gtest/gtest.h>

#include "dray/store/oci_sources.h"
#include "tests/support/errors.h"
#include "tests/support/oci_world.h"

namespace dray {
namespace {

using test::RegistryOp;
using test::RegistryQuirks;

constexpr const char* kOther = "team/copy";

struct OciMountTest : test::OciWorld, testing::WithParamInterface<ImageFormat> {
  /// A release of the source, and how it is told.
  Manifest made() {
    first = open(GetParam());
    const Manifest manifest = import().manifest;
    patches = fake.count(RegistryOp::patch_upload);
    return manifest;
  }
  Manifest copy() {
    OciStoreOptions options = store_options(kOther);
    options.format = GetParam();
    other = std::make_unique<OciStore>(options);
    copied = image_source(first, oci::parse_reference("oci://" + fake.host() + "/org/tiny:1.0.0"));
    request.source = copied.get();
    request.store = other.get();
    return import().manifest;
  }
  void expect_copied(const Manifest& manifest, const Manifest& copied_manifest) {
    EXPECT_EQ(copied_manifest.root_digest, manifest.root_digest);
    EXPECT_EQ(fake.tags(kOther).at("1.0.0"), fake.tags(test::kRepository).at("1.0.0"))
        << "the same image, layers and all";
    Progress progress;
    EXPECT_TRUE(verify_release(*other, copied_manifest, kDefaultTemplate, false, request.transfer,
                               progress, {})
                    .problems.empty());
  }

  std::shared_ptr<OciStore> first;
  std::unique_ptr<OciStore> other;
  std::unique_ptr<Source> copied;
  std::size_t patches = 0;
};

TEST_P(OciMountTest, MovesNoByte) {
  const Manifest manifest = made();
  const std::uint64_t read = source.bytes_read();
  const Manifest copy = this->copy();
  expect_copied(manifest, copy);
  EXPECT_EQ(source.bytes_read(), read);
  EXPECT_EQ(fake.count(RegistryOp::patch_upload), patches) << "no layer was sent";
  EXPECT_GT(fake.count(RegistryOp::mount_blob), 0u);
  for (const auto& file : copy.files) EXPECT_EQ(file.sha256, manifest.find(file.path)->sha256);
}

TEST_P(OciMountTest, WithTokensTheOtherRepositoryIsAskedForToo) {
  fake.configure([](test::RegistryOptions& options) {
    options.auth = test::RegistryAuth::bearer();
    options.quirks.mount_needs_pull = true;
  });
  const Manifest manifest = made();
  expect_copied(manifest, copy());
  EXPECT_EQ(fake.count(RegistryOp::patch_upload), patches);
}

TEST_P(OciMountTest, WhereNothingIsMountedTheBytesAreRead) {
  fake.configure([](test::RegistryOptions& options) { options.quirks.mounts = false; });
  const Manifest manifest = made();
  expect_copied(manifest, copy());
  EXPECT_GT(fake.count(RegistryOp::patch_upload), patches);
}

TEST_P(OciMountTest, ABlobOfAnotherSizeIsNotTaken) {
  const Manifest manifest = made();
  const ManifestFile& shard = *manifest.find("model-00001-of-00002.safetensors");
  const std::string digest = shard.blob.empty() ? shard.etag : shard.blob;
  fake.spoil_blob(digest, "short");
  EXPECT_THROW(copy(), Error);
  EXPECT_TRUE(fake.tags(kOther).empty());
}

std::string name_of(const testing::TestParamInfo<ImageFormat>& form) {
  if (form.param == ImageFormat::modelcar) return "modelcar";
  return form.param == ImageFormat::modelpack ? "modelpack" : "both";
}

INSTANTIATE_TEST_SUITE_P(Formats, OciMountTest,
                         testing::Values(ImageFormat::modelcar, ImageFormat::modelpack,
                                         ImageFormat::both),
                         name_of);

}  // namespace
}  // namespace dray
