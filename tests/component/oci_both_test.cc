// A modelcar and a ModelPack artifact under one tag, and layers that are made of blobs that came
// before them.
#include <gtest/gtest.h>

#include "dray/oci/image.h"
#include "dray/store/oci_image.h"
#include "tests/support/errors.h"
#include "tests/support/oci_world.h"

namespace dray {
namespace {

using test::RegistryOp;

struct OciBothTest : test::OciWorld {
  OciBothTest() { open(ImageFormat::both).swap(oci); }

  oci::Index index() const {
    return oci::parse_image_index(fake.manifest(test::kRepository, "1.0.0").value().content, "i");
  }
  VerifyResult verify(const Manifest& manifest, bool quick = false) {
    Progress progress;
    return verify_release(*oci, manifest, kDefaultTemplate, quick, request.transfer, progress, {});
  }
  std::uint64_t bytes_of_model() {
    std::uint64_t bytes = 0;
    for (const auto& file : source.snapshot({}).files) bytes += file.size;
    return bytes;
  }
  std::shared_ptr<OciStore> oci;
};

TEST_F(OciBothTest, OneTagServesBoth) {
  const Manifest made = import().manifest;
  const oci::Index top = index();
  ASSERT_EQ(top.manifests.size(), 3u);
  EXPECT_EQ(top.manifests[0].platform->text(), "linux/amd64");
  EXPECT_EQ(top.manifests[1].platform->text(), "linux/arm64");
  // Who runs images passes over it.
  EXPECT_EQ(top.manifests[2].platform->text(), "unknown/unknown");
  EXPECT_EQ(top.manifests[2].artifact_type, "application/vnd.cncf.model.manifest.v1+json");
  expect_image("1.0.0");
  const oci::Manifest pack = image("1.0.0-modelpack");
  EXPECT_EQ(fake.tags(test::kRepository).at("1.0.0-modelpack"), top.manifests[2].digest);
  ASSERT_EQ(pack.layers.size(), made.files.size());
  for (const auto& layer : pack.layers)
    EXPECT_EQ(
        layer.digest,
        "sha256:" + Sha256::hex_of(source.bytes(layer.annotation("org.cncf.model.filepath"))));
  EXPECT_TRUE(verify(made).problems.empty());
  EXPECT_TRUE(verify(made, true).problems.empty());
  EXPECT_EQ(find_manifest(*oci, "tiny", "1.0.0", {}), made);
  EXPECT_EQ(list_versions(*oci, "tiny", {}), std::vector<std::string>{"1.0.0"});
}

TEST_F(OciBothTest, TheSourceIsReadOnce) {
  const std::uint64_t before = source.bytes_read();
  const ImportResult result = import();
  EXPECT_LT(source.bytes_read() - before, bytes_of_model() + 1'000) << "small ones are looked at";
  EXPECT_EQ(result.stats.fetched, bytes_of_model());
}

TEST_F(OciBothTest, AgainAndElsewhereTheSameDigest) {
  import();
  struct Elsewhere : OciBothTest {
    void TestBody() override {}
  } other;
  other.import();
  EXPECT_EQ(fake.manifest(test::kRepository, "1.0.0")->digest,
            other.fake.manifest(test::kRepository, "1.0.0")->digest);
  // … and that of each form is what it is alone.
  struct Alone : test::OciWorld {
    void TestBody() override {}
  } alone;
  const auto opened = alone.open(ImageFormat::modelpack);
  alone.import();
  EXPECT_EQ(alone.fake.manifest(test::kRepository, "1.0.0")->digest, index().manifests[2].digest);
}

TEST_F(OciBothTest, ThePlanTellsWhatIsStoredTwice) {
  Progress progress;
  const ImportPlan plan = plan_import(request, progress, {});
  EXPECT_GT(plan.bytes_stored_again, bytes_of_model());
  EXPECT_EQ(plan.bytes_to_store, bytes_of_model() + plan.bytes_stored_again);
  EXPECT_EQ(plan.bytes_to_fetch, bytes_of_model());
}

TEST_F(OciBothTest, TheVersionsTagComesLast) {
  import();
  const auto puts = fake.requests(RegistryOp::put_manifest);
  ASSERT_GE(puts.size(), 2u);
  EXPECT_EQ(puts.back().reference, "1.0.0");
  EXPECT_EQ(puts[puts.size() - 2].reference, "1.0.0-modelpack");
  for (std::size_t i = 0; i + 2 < puts.size(); ++i)
    EXPECT_TRUE(puts[i].reference.starts_with("sha256:")) << puts[i].reference;
}

TEST_F(OciBothTest, WrongBytesReadBackAreNotPublished) {
  fake.fault({.op = RegistryOp::get_blob, .times = 1'000, .flip_at = 5});
  const Error error = test::error_of([&] { import(); });
  EXPECT_EQ(error.code(), Code::verification);
  EXPECT_EQ(error.side(), Side::destination);
  EXPECT_TRUE(fake.tags(test::kRepository).empty());
}

TEST_F(OciBothTest, AWrongByteOnceIsReadAgain) {
  fake.fault({.op = RegistryOp::get_blob, .flip_at = 5});
  import();
  expect_image("1.0.0");
}

TEST_F(OciBothTest, AfterAStopTheSourceIsNotReadAgain) {
  std::stop_source stop;
  fake.fault({.op = RegistryOp::get_blob, .before = [&](const auto&) { stop.request_stop(); }});
  EXPECT_EQ(test::error_of([&] { import(stop.get_token()); }).code(), Code::cancelled);
  EXPECT_TRUE(fake.tags(test::kRepository).empty());
  const std::uint64_t before = source.bytes_read();
  oci = open(ImageFormat::both);
  const Manifest made = import().manifest;
  EXPECT_LT(source.bytes_read() - before, 1'000u);
  expect_image("1.0.0");
  EXPECT_TRUE(verify(made).problems.empty());
}

TEST_F(OciBothTest, VerifyReadsTheLayersToo) {
  const Manifest made = import().manifest;
  std::string layer = fake.blob(test::kRepository, made.layers[0].digest).value();
  layer[layer.size() / 2] ^= 1;
  fake.spoil_blob(made.layers[0].digest, layer);
  EXPECT_EQ(verify(made).problems.size(), 1u);
  fake.remove_blob(test::kRepository, made.layers[0].digest);
  EXPECT_EQ(verify(made, true).problems.size(), 1u);
}

TEST_F(OciBothTest, RemovingTakesBothTagsAway) {
  import();
  oci->state().remove(manifest_key("tiny", "1.0.0"), {});
  EXPECT_TRUE(fake.tags(test::kRepository).empty());
}

TEST_F(OciBothTest, SomebodyElsesTagOfThatNameIsAConflict) {
  fake.put_blob(test::kRepository, "{}");
  const std::string theirs = fake.put_manifest(
      test::kRepository, "1.0.0-modelpack",
      oci::to_json_text(oci::Manifest{.config = {.media_type = std::string(oci::media::kEmpty),
                                                 .digest = oci::digest_of("{}"),
                                                 .size = 2}}));
  EXPECT_EQ(test::error_of([&] { import(); }).code(), Code::conflict);
  EXPECT_EQ(fake.tags(test::kRepository),
            (std::map<std::string, std::string>{{"1.0.0-modelpack", theirs}}));
}

}  // namespace
}  // namespace dray
