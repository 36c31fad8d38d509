#include "dray/oci/image.h"

#include <gtest/gtest.h>

#include "tests/support/errors.h"

namespace dray::oci {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

Manifest sample() {
  Manifest out;
  out.config = {.media_type = std::string(media::kConfig), .digest = kDigest, .size = 7};
  out.layers = {{.media_type = std::string(media::kLayer),
                 .digest = kDigest,
                 .size = 1024,
                 .annotations = {{"b", "2"}, {"a", "1"}}}};
  out.subject =
      Descriptor{.media_type = std::string(media::kManifest), .digest = kDigest, .size = 9};
  out.annotations = {{"k", "v"}};
  return out;
}

TEST(OciImage, AManifestComesBackAsItWasWritten) {
  const Manifest wrote = sample();
  const Manifest read = parse_image_manifest(to_json_text(wrote), "m");
  EXPECT_EQ(read.config, wrote.config);
  EXPECT_EQ(read.layers, wrote.layers);
  EXPECT_EQ(read.subject, wrote.subject);
  EXPECT_EQ(read.annotations, wrote.annotations);
  EXPECT_EQ(to_json_text(read), to_json_text(wrote));
}

TEST(OciImage, TheTextIsCanonical) {
  EXPECT_EQ(
      to_json_text(sample()),
      R"({"annotations":{"k":"v"},"config":{"digest":")" + kDigest +
          R"(","mediaType":"application/vnd.oci.image.config.v1+json","size":7},"layers":[{"annotations":{"a":"1","b":"2"},"digest":")" +
          kDigest +
          R"(","mediaType":"application/vnd.oci.image.layer.v1.tar","size":1024}],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2,"subject":{"digest":")" +
          kDigest + R"(","mediaType":"application/vnd.oci.image.manifest.v1+json","size":9}})");
}

TEST(OciImage, AnIndexKeepsItsPlatforms) {
  Index wrote;
  wrote.manifests = {{.media_type = std::string(media::kManifest),
                      .digest = kDigest,
                      .size = 5,
                      .platform = Platform{"linux", "arm64", "v8"}}};
  const Index read = parse_image_index(to_json_text(wrote), "i");
  EXPECT_EQ(read.manifests, wrote.manifests);
  EXPECT_EQ(read.manifests[0].platform->text(), "linux/arm64/v8");
}

TEST(OciImage, AConfigurationKeepsWhatItDoesNotKnow) {
  const std::string text =
      R"({"architecture":"amd64","author":"me","config":{"Env":["A=b"]},"history":[{"created":"x"}],"os":"linux","rootfs":{"diff_ids":[")" +
      kDigest + R"("],"type":"layers"}})";
  const Config config = parse_image_config(text, "c");
  EXPECT_EQ(config.platform.text(), "linux/amd64");
  EXPECT_EQ(config.diff_ids, std::vector<std::string>{kDigest});
  EXPECT_EQ(to_json_text(config), text);
}

TEST(OciImage, DigestsThatAreNoneAreRefused) {
  for (const std::string digest :
       {"", "sha256:", "sha256:ABC", "md5:d41d8cd98f00b204e9800998ecf8427e",
        "sha256:../../../etc/passwd",
        "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA"}) {
    const std::string text =
        R"({"schemaVersion":2,"config":{"digest":")" + digest + R"(","size":1},"layers":[]})";
    EXPECT_EQ(test::error_of([&] { parse_image_manifest(text, "m"); }).code(), Code::malformed)
        << digest;
  }
}

TEST(OciImage, BrokenTextsAreMalformed) {
  for (
      const char* text :
      {"", "[]", "{}", R"({"schemaVersion":2})", R"({"schemaVersion":3,"layers":[]})",
       R"({"schemaVersion":2,"config":[],"layers":[]})",
       R"({"schemaVersion":2,"config":{"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size":-1},"layers":[]})",
       R"({"schemaVersion":2,"config":{"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size":1,"annotations":{"a":1}},"layers":[]})"})
    EXPECT_EQ(test::error_of([&] { parse_image_manifest(text, "m"); }).code(), Code::malformed)
        << text;
}

TEST(OciImage, ImagesOfTheFirstSchemaAreNamed) {
  const Error error = test::error_of([] { parse_image_manifest(R"({"schemaVersion":1})", "m"); });
  EXPECT_EQ(error.code(), Code::unsupported);
  EXPECT_FALSE(error.hint().empty());
}

TEST(OciImage, TheKindOfATextThatStatesNone) {
  EXPECT_EQ(media_type_of(R"({"manifests":[]})", "x"), media::kIndex);
  EXPECT_EQ(media_type_of(R"({"layers":[]})", "x"), media::kManifest);
  EXPECT_EQ(media_type_of(R"({"mediaType":"a/b"})", "x"), "a/b");
}

}  // namespace
}  // namespace dray::oci
