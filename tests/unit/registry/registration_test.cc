#include <gtest/gtest.h>

#include "dray/registry/registry.h"

namespace dray {
namespace {

Manifest granite() {
  Manifest m;
  m.name = "granite";
  m.version = "1.0.0";
  m.origin = {.kind = "hf",
              .uri = "hf://ibm-granite/granite-3.3-2b-instruct",
              .revision = "main",
              .commit = "0123456789abcdef0123456789abcdef01234567"};
  m.info.license = "apache-2.0";
  m.info.library = "transformers";
  m.files = {{.path = "config.json", .size = 1000},
             {.path = "model.safetensors", .size = 5'000'000}};
  m.created_by = "dray/0.1.0";
  m.root_digest = "sha256:abc";
  return m;
}

TEST(RegistrationOf, AHubModelInS3) {
  const auto r = registration_of(granite(), "s3://models/model-data/granite/1.0.0/");
  EXPECT_EQ(r.name, "granite");
  EXPECT_EQ(r.version, "1.0.0");
  EXPECT_EQ(r.uri, "s3://models/model-data/granite/1.0.0/");
  EXPECT_EQ(r.author, "ibm-granite");
  EXPECT_EQ(r.description,
            "hf://ibm-granite/granite-3.3-2b-instruct at 0123456789ab: 2 files, 4.8 MiB");
  EXPECT_EQ(r.source_kind, "huggingface");
  EXPECT_EQ(r.source_group, "ibm-granite");
  EXPECT_EQ(r.source_name, "ibm-granite/granite-3.3-2b-instruct");
  EXPECT_EQ(r.source_id, granite().origin.commit);
  EXPECT_EQ(r.format_name, "safetensors");
  const std::map<std::string, std::string> expected = {
      {"source", "huggingface"},
      {"huggingface_model", "ibm-granite/granite-3.3-2b-instruct"},
      {"commit", granite().origin.commit},
      {"framework", "pytorch"},
      {"license", "apache-2.0"},
      {"storage_type", "s3"},
      {"s3_uri", "s3://models/model-data/granite/1.0.0/"},
      {"root_digest", "sha256:abc"},
      {"compressed", "false"},
      {"size_bytes", "5001000"},
      {"file_count", "2"}};
  EXPECT_EQ(r.properties, expected);
}

TEST(RegistrationOf, AFolderInAFolder) {
  Manifest m = granite();
  m.origin = {.kind = "dir", .uri = "dir:/models/x"};
  m.info = {};
  m.files = {{.path = "x.gguf", .size = 7}};
  m.transforms = Json::array({{{"kind", "w4a16"}}});
  const auto r = registration_of(m, "/store/model-data/x/1/");
  EXPECT_EQ(r.properties.at("source"), "dir");
  EXPECT_EQ(r.properties.at("storage_type"), "dir");
  EXPECT_EQ(r.properties.at("compressed"), "true");
  EXPECT_EQ(r.properties.at("framework"), "gguf");
  for (const char* absent : {"s3_uri", "huggingface_model", "commit", "license"})
    EXPECT_FALSE(r.properties.contains(absent)) << absent;
  EXPECT_EQ(r.format_name, "gguf");
  EXPECT_EQ(r.author, "dray/0.1.0");
  EXPECT_EQ(r.source_name, "dir:/models/x");
}

TEST(RegistrationOf, NoWeightsNoFormat) {
  Manifest m = granite();
  m.files = {{.path = "README.md", .size = 7}};
  m.info.library = "";
  const auto r = registration_of(m, "oci://r/x");
  EXPECT_EQ(r.format_name, "");
  EXPECT_EQ(r.format_version, "");
  EXPECT_FALSE(r.properties.contains("framework"));
  EXPECT_EQ(r.properties.at("storage_type"), "oci");
}

}  // namespace
}  // namespace dray
