#include "dray/model/bundle_record.h"

#include <gtest/gtest.h>

#include <functional>

#include "dray/base/digest.h"
#include "dray/base/json.h"
#include "dray/model/manifest.h"
#include "tests/support/errors.h"

namespace dray::test {
namespace {

const std::string kEarlier = "sha256:" + std::string(64, 'e');

std::string root_of(const BundleRelease& release) {
  std::vector<ManifestFile> files;
  for (const auto& file : release.files)
    files.push_back({.path = file.path, .size = file.size, .sha256 = file.sha256});
  return root_digest_of(files);
}

BundleRecord sample() {
  BundleRelease release{.name = "llama", .version = "1.1.0"};
  release.manifest_size = 100;
  release.manifest_sha256 = std::string(64, 'a');
  release.files = {{"a/config.json", 3, std::string(64, '1'), ""},
                   {"model.safetensors", 1000, std::string(64, '2'), kEarlier}};
  release.root_digest = root_of(release);
  BundleRecord record{.store = "s3://bucket", .created_by = "dray/0.1.0", .releases = {release}};
  record.needs = {{kEarlier, "disk-1.tar", {"llama:1.0.0"}}};
  record.id = bundle_id(record.releases);
  return record;
}

BundleVolumes volumes(std::size_t count) {
  BundleVolumes out{.split = true, .volume_size = 10};
  for (std::size_t i = 0; i < count; ++i)
    out.list.push_back({10, std::string(64, '3'), std::string(64, '4')});
  return out;
}

/// What is said about the record after `change` of its JSON.
Error refused(const std::function<void(Json&)>& change, bool again_signed = true) {
  BundleRecord record = sample();
  record.volumes = volumes(2);
  Json json = parse_json(to_json_text(record), "test");
  change(json);
  if (again_signed) json["id"] = "sha256:" + Sha256::hex_of(as_bytes(dump_json(json["releases"])));
  return error_of([&] { parse_bundle_record(dump_json(json), "record"); });
}

TEST(BundleRecord, SurvivesWritingAndReading) {
  BundleRecord record = sample();
  EXPECT_EQ(parse_bundle_record(to_json_text(record), "record"), record);
  record.volumes = volumes(3);
  EXPECT_EQ(parse_bundle_record(to_json_text(record), "record"), record);
  EXPECT_EQ(record.files_here(), 1u);
  EXPECT_EQ(record.bytes_left_out(), 1000u);
  EXPECT_FALSE(record.releases[0].whole());
}

TEST(BundleRecord, TheIdIsOfTheContentAlone) {
  BundleRecord record = sample();
  record.volumes = volumes(1);
  record.store = "dir:/elsewhere";
  EXPECT_EQ(bundle_id(record.releases), sample().id);
  record.releases[0].files[1].in = "";
  EXPECT_NE(bundle_id(record.releases), sample().id);
}

TEST(BundleRecord, NamesOfVolumesSort) {
  EXPECT_EQ(volumes(7).suffix(3), ".003");
  EXPECT_EQ(volumes(1000).suffix(999), ".999");
  EXPECT_EQ(volumes(1001).suffix(3), ".0003");
  BundleVolumes one = volumes(1);
  one.split = false;
  EXPECT_EQ(one.suffix(0), "");
}

TEST(BundleRecord, ChangedContentDoesNotFitTheId) {
  const auto change = [](Json& json) { json["releases"][0]["manifest"]["size"] = 101; };
  EXPECT_EQ(refused(change, false).code(), Code::malformed);
}

TEST(BundleRecord, FilesMustFitTheRootDigest) {
  const Error error = refused([](Json& json) { json["releases"][0]["files"][1]["size"] = 999; });
  EXPECT_NE(std::string(error.what()).find("root digest"), std::string::npos);
}

TEST(BundleRecord, PathsThatLeadElsewhereAreRefused) {
  for (const char* path : {"../x", "/etc/passwd", "a/../../x", "a//b", "", "a\\..\\b", "C:x"}) {
    const Error error =
        refused([&](Json& json) { json["releases"][0]["files"][1]["path"] = path; });
    EXPECT_EQ(error.code(), Code::malformed) << path;
    EXPECT_EQ(std::string(error.what()).find("root digest"), std::string::npos) << path;
  }
  for (const char* name : {"../x", "a/b", "", "-"})
    EXPECT_EQ(refused([&](Json& json) { json["releases"][0]["version"] = name; }).code(),
              Code::malformed)
        << name;
}

TEST(BundleRecord, NothingTwiceAndNothingInUnnamedBundles) {
  EXPECT_EQ(refused([](Json& json) { json["releases"].push_back(json["releases"][0]); }).code(),
            Code::malformed);
  EXPECT_EQ(refused([](Json& json) { json["needs"] = Json::array(); }).code(), Code::malformed);
  EXPECT_EQ(refused([](Json& json) { json["needs"].push_back(json["needs"][0]); }).code(),
            Code::malformed);
  EXPECT_EQ(refused([](Json& json) { json["releases"] = Json::array(); }).code(), Code::malformed);
}

TEST(BundleRecord, VolumesMustAddUp) {
  const auto size = [](std::size_t i, std::uint64_t value) {
    return refused([=](Json& json) { json["volumes"]["files"][i]["size"] = value; }).code();
  };
  EXPECT_EQ(size(0, 9), Code::malformed);
  EXPECT_EQ(size(1, 11), Code::malformed);
  EXPECT_EQ(size(1, 0), Code::malformed);
  EXPECT_EQ(refused([](Json& json) { json["volumes"]["split"] = false; }).code(), Code::malformed);
  EXPECT_EQ(refused([](Json& json) { json["volumes"]["files"] = Json::array(); }).code(),
            Code::malformed);
}

TEST(BundleRecord, LaterFormatsAreRefused) {
  EXPECT_EQ(refused([](Json& json) { json["format_version"] = 2; }).code(), Code::unsupported);
  EXPECT_EQ(refused([](Json& json) { json["format"] = "dray-manifest"; }).code(), Code::malformed);
}

}  // namespace
}  // namespace dray::test
