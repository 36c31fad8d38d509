// Releases in a registry: what is pushed, in which order, and how it is found and read again.
#include "dray/store/oci_store.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dray/release/pull.h"
#include "dray/release/verify.h"
#include "dray/store/catalog.h"
#include "dray/store/oci_image.h"
#include "dray/store/oci_sources.h"
#include "tests/support/errors.h"
#include "tests/support/oci_world.h"

namespace dray {
namespace {

using test::RegistryOp;

struct OciStoreTest : test::OciWorld {
  VerifyResult verify(Store& in, const Manifest& manifest, bool quick = false) {
    Progress progress;
    return verify_release(in, manifest, kDefaultTemplate, quick, request.transfer, progress, {});
  }
};

TEST_F(OciStoreTest, AReleaseIsAnImageThatHoldsTheFilesBelowModels) {
  const auto oci = open();
  const ImportResult result = import();
  EXPECT_TRUE(result.changed);
  EXPECT_EQ(result.uri, "oci://" + fake.host() + "/org/tiny:1.0.0");
  expect_image("1.0.0");
  for (const auto& file : result.manifest.files)
    EXPECT_EQ(file.sha256, Sha256::hex_of(source.bytes(file.path))) << file.path;
  EXPECT_EQ(result.manifest.root_digest, root_digest_of(result.manifest.files));
  EXPECT_TRUE(fake.uploads().empty());
  EXPECT_TRUE(beside->keys("").empty()) << "a finished transfer leaves no journal";
}

TEST_F(OciStoreTest, ItsConfigurationIsWhatRuntimesAndKServeWant) {
  const auto oci = open();
  import();
  const auto top = fake.manifest(test::kRepository, "1.0.0").value();
  const oci::Index index = oci::parse_image_index(top.content, "index");
  ASSERT_EQ(index.manifests.size(), 2u);
  EXPECT_EQ(index.manifests[0].platform->text(), "linux/amd64");
  EXPECT_EQ(index.manifests[1].platform->text(), "linux/arm64");
  const oci::Manifest image = this->image("1.0.0");
  const oci::Config config =
      oci::parse_image_config(fake.blob(test::kRepository, image.config.digest).value(), "config");
  ASSERT_EQ(config.diff_ids.size(), image.layers.size());
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    EXPECT_EQ(config.diff_ids[i], image.layers[i].digest) << "layers are not compressed";
    EXPECT_EQ(image.layers[i].media_type, oci::media::kLayer);
  }
  EXPECT_EQ(config.history.size(), image.layers.size());
  for (const auto& entry : config.history) EXPECT_TRUE(entry.contains("created"));
  EXPECT_FALSE(config.settings.contains("Entrypoint"));
  EXPECT_EQ(image.annotations.at("org.opencontainers.image.revision"), std::string(40, 'a'));
  EXPECT_EQ(image.annotations.at("org.opencontainers.image.source"),
            "https://hub.example/org/tiny");
  // OLOT's annotations say what a layer of one file holds.
  const auto shard = std::find_if(image.layers.begin(), image.layers.end(), [](const auto& layer) {
    return layer.annotation("olot.layer.content.name") == "model-00001-of-00002.safetensors";
  });
  ASSERT_NE(shard, image.layers.end());
  EXPECT_EQ(shard->annotation("olot.layer.content.digest"),
            "sha256:" + Sha256::hex_of(source.bytes("model-00001-of-00002.safetensors")));
  EXPECT_EQ(shard->annotation("olot.layer.content.inlayerpath"),
            "/models/model-00001-of-00002.safetensors");
  const auto card = std::find_if(image.layers.begin(), image.layers.end(), [](const auto& layer) {
    return layer.annotation("io.opendatahub.modelcar.layer.type") == "modelcard";
  });
  ASSERT_NE(card, image.layers.end());
  EXPECT_EQ(image.annotations.at("io.opendatahub.layers.modelcard"), card->digest);
}

TEST_F(OciStoreTest, TheSameModelGivesTheSameDigestWhereverItIsPushed) {
  const auto oci = open();
  import();
  struct Elsewhere : test::OciWorld {
    void TestBody() override {}
  } other;
  const auto there = other.open();
  other.import();
  EXPECT_EQ(fake.manifest(test::kRepository, "1.0.0")->digest,
            other.fake.manifest(test::kRepository, "1.0.0")->digest);
}

TEST_F(OciStoreTest, TheTagComesLast) {
  const auto oci = open();
  import();
  std::vector<test::RegistryRequest> puts = fake.requests(RegistryOp::put_manifest);
  ASSERT_GE(puts.size(), 5u) << "two images, the index, the record, the tag";
  EXPECT_EQ(puts.back().reference, "1.0.0");
  for (std::size_t i = 0; i + 1 < puts.size(); ++i)
    EXPECT_TRUE(puts[i].reference.starts_with("sha256:")) << puts[i].reference;
  const auto all = fake.requests();
  const auto last_blob = std::find_if(
      all.rbegin(), all.rend(), [](const auto& r) { return r.op == RegistryOp::finish_upload; });
  const auto tag = std::find_if(all.rbegin(), all.rend(), [](const auto& r) {
    return r.reference == "1.0.0" && r.op == RegistryOp::put_manifest;
  });
  EXPECT_LT(tag - all.rbegin(), last_blob - all.rbegin());
}

TEST_F(OciStoreTest, ItIsFoundListedVerifiedAndReadAgain) {
  const auto oci = open();
  const Manifest made = import().manifest;
  const auto again = open();
  EXPECT_EQ(find_manifest(*again, "tiny", "1.0.0", {}), made);
  EXPECT_EQ(list_models(*again, {}), std::vector<std::string>{"tiny"});
  EXPECT_EQ(list_versions(*again, "tiny", {}), std::vector<std::string>{"1.0.0"});
  EXPECT_EQ(resolve_release(*again, {"tiny", "", ""}, {}).version, "1.0.0");
  const VerifyResult full = verify(*again, made);
  EXPECT_TRUE(full.problems.empty()) << full.problems.front().what;
  EXPECT_EQ(full.files, made.files.size());
  EXPECT_TRUE(verify(*again, made, true).problems.empty());
}

TEST_F(OciStoreTest, VerifyFindsAWrongByteInALayer) {
  const auto oci = open();
  const Manifest made = import().manifest;
  const std::string path = "model-00001-of-00002.safetensors";
  const ManifestFile& file = *made.find(path);
  std::string layer = fake.blob(test::kRepository, file.blob).value();
  layer[file.blob_offset + 7] ^= 1;
  fake.spoil_blob(file.blob, layer);
  const VerifyResult result = verify(*oci, made);
  ASSERT_EQ(result.problems.size(), 1u);
  EXPECT_EQ(result.problems[0].path, path);
}

TEST_F(OciStoreTest, AgainIsSuccessWithoutMovingBytes) {
  open();
  auto oci = open();
  import();
  const std::size_t uploads = fake.count(RegistryOp::start_upload);
  const std::uint64_t read = source.bytes_read();
  oci = open();
  const ImportResult again = import();
  EXPECT_FALSE(again.changed);
  EXPECT_EQ(fake.count(RegistryOp::start_upload), uploads);
  EXPECT_LT(source.bytes_read() - read, 1'000u);
}

TEST_F(OciStoreTest, OtherContentUnderATagIsAConflict) {
  auto oci = open();
  import();
  request.version = "1.0.0";
  source.add("model-00002-of-00002.safetensors", test::pattern(900, 7));
  source.origin.commit = std::string(40, 'b');
  oci = open();
  EXPECT_EQ(test::error_of([&] { import(); }).code(), Code::conflict);
  EXPECT_EQ(fake.tags(test::kRepository).size(), 1u);
}

TEST_F(OciStoreTest, ATagOfSomebodyElseStaysWhatItIs) {
  fake.put_blob(test::kRepository, "{}");
  const std::string theirs = fake.put_manifest(
      test::kRepository, "1.0.0",
      oci::to_json_text(oci::Manifest{.config = {.media_type = std::string(oci::media::kEmpty),
                                                 .digest = oci::digest_of("{}"),
                                                 .size = 2}}));
  const auto oci = open();
  request.version = "1.0.0";
  EXPECT_EQ(test::error_of([&] { import(); }).code(), Code::conflict);
  EXPECT_EQ(fake.tags(test::kRepository).at("1.0.0"), theirs);
}

TEST_F(OciStoreTest, WrongBytesOfTheSourceNeverGetATag) {
  source.after_read = [](const std::string& path, std::uint64_t, MutableBytes out) {
    if (path.starts_with("model-00002")) out[3] ^= std::byte{1};
  };
  const auto oci = open();
  EXPECT_EQ(test::error_of([&] { import(); }).code(), Code::verification);
  EXPECT_TRUE(fake.tags(test::kRepository).empty());
  EXPECT_EQ(fake.count(RegistryOp::put_manifest), 0u);
}

TEST_F(OciStoreTest, AModelPackIsTheFilesAsTheyAre) {
  const auto oci = open(ImageFormat::modelpack);
  const Manifest made = import().manifest;
  const oci::Manifest image = this->image("1.0.0");
  EXPECT_EQ(image.artifact_type, "application/vnd.cncf.model.manifest.v1+json");
  ASSERT_EQ(image.layers.size(), made.files.size());
  for (const auto& layer : image.layers) {
    const std::string path = layer.annotation("org.cncf.model.filepath");
    EXPECT_EQ(layer.digest, "sha256:" + Sha256::hex_of(source.bytes(path))) << path;
    EXPECT_EQ(fake.blob(test::kRepository, layer.digest), std::string(as_text(source.bytes(path))));
    EXPECT_TRUE(layer.media_type.ends_with(".raw"));
  }
  EXPECT_TRUE(verify(*oci, made).problems.empty());
}

TEST_F(OciStoreTest, FilesThatTheRepositoryHasAreNotRead) {
  auto oci = open(ImageFormat::modelpack);
  import();
  const std::uint64_t read = source.bytes_read();
  request.name = "twin";
  request.version = "2.0.0";
  oci = open(ImageFormat::modelpack);
  import();
  // Of files whose digest the publisher states nothing; the others are small.
  EXPECT_LT(source.bytes_read() - read, 1'000u);
  EXPECT_EQ(fake.tags(test::kRepository).size(), 2u);
}

TEST_F(OciStoreTest, ARegistryWithoutReferrersKeepsTheRecordUnderATag) {
  fake.configure(
      [](test::RegistryOptions& options) { options.quirks = test::RegistryQuirks::docker28(); });
  auto oci = open();
  const Manifest made = import().manifest;
  oci = open();
  EXPECT_EQ(find_manifest(*oci, "tiny", "1.0.0", {}), made);
  EXPECT_EQ(list_versions(*oci, "tiny", {}), std::vector<std::string>{"1.0.0"})
      << "the list's own tag is no version";
}

TEST_F(OciStoreTest, RemovingTakesTheTagAway) {
  const auto oci = open();
  import();
  oci->state().remove(manifest_key("tiny", "1.0.0"), {});
  EXPECT_TRUE(fake.tags(test::kRepository).empty());
  EXPECT_FALSE(find_manifest(*oci, "tiny", "1.0.0", {}));
}

TEST_F(OciStoreTest, ALateShardSharesALayerWhereThereWouldBeTooMany) {
  for (int i = 3; i <= 9; ++i)
    source.add(fmt::format("model-0000{}-of-00002.safetensors", i), test::pattern(700, i));
  request.selection.all_files = true;
  OciStoreOptions options = store_options();
  options.layers.most = 5;
  OciStore few(options);
  request.store = &few;
  const Manifest made = import().manifest;
  EXPECT_LE(image("1.0.0").layers.size(), 5u);
  expect_image("1.0.0");
  EXPECT_TRUE(verify(few, made).problems.empty());
}

TEST_F(OciStoreTest, AListingReadsNoRecords) {
  const auto oci = open();
  import();
  request.version = "2.0.0";
  source.add("model-00002-of-00002.safetensors", test::pattern(900, 7));
  source.origin.commit = std::string(40, 'b');
  import();
  const std::size_t read = fake.count(RegistryOp::get_blob);
  EXPECT_EQ(list_versions(*oci, "tiny", {}), (std::vector<std::string>{"1.0.0", "2.0.0"}));
  EXPECT_EQ(list_models(*oci, {}), std::vector<std::string>{"tiny"});
  EXPECT_EQ(fake.count(RegistryOp::get_blob), read);
  EXPECT_EQ(oci->list("", {}).size(), oci->list("model-data/", {}).size());
  EXPECT_EQ(fake.count(RegistryOp::get_blob), read + 2) << "each record once";
}

TEST_F(OciStoreTest, WhatAnAnnotationSaysWithoutARecordIsNoRelease) {
  const auto oci = open();
  import();
  const std::string image = fake.manifest(test::kRepository, "1.0.0")->digest;
  fake.put_manifest(test::kRepository, "3.0.0", fake.manifest(test::kRepository, "1.0.0")->content);
  EXPECT_FALSE(find_manifest(*oci, "tiny", "3.0.0", {})) << "the record says 1.0.0";
  oci::Manifest forged;
  forged.artifact_type = kRecordType;
  forged.config = {.media_type = std::string(oci::media::kEmpty),
                   .digest = fake.put_blob(test::kRepository, "{}"),
                   .size = 2};
  forged.subject = {.media_type = std::string(oci::media::kIndex), .digest = image, .size = 1};
  forged.annotations = {{std::string(kRecordName), "../x"}, {std::string(kRecordVersion), "3.0.0"}};
  fake.put_manifest(test::kRepository, "", oci::to_json_text(forged));
  EXPECT_EQ(list_versions(*oci, "tiny", {}), std::vector<std::string>{"1.0.0"});
  EXPECT_EQ(list_models(*oci, {}), std::vector<std::string>{"tiny"});
}

TEST_F(OciStoreTest, AnImageMadeByDrayComesBackWithItsRecord) {
  const auto oci = open();
  const Manifest made = import().manifest;
  auto again = image_source(oci, oci::parse_reference("oci://" + fake.host() + "/org/tiny:1.0.0"));
  test::MemoryStore into;
  request.source = again.get();
  request.store = &into;
  const Manifest copy = import().manifest;
  EXPECT_EQ(copy.root_digest, made.root_digest);
  EXPECT_EQ(copy.origin, made.origin);
  EXPECT_EQ(copy.version, made.version);
  expect_intact(into, source, copy);
}

}  // namespace
}  // namespace dray
