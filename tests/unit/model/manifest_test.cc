#include "dray/model/manifest.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/file.h"
#include "tests/support/paths.h"
#include "tests/support/random.h"

namespace dray {
namespace {

/// The JSON block of the format's page.
std::string documented() {
  const auto page = read_file(test::source_dir() + "/docs/formats/manifest.md").value();
  const auto begin = page.find("```json\n") + 8;
  return page.substr(begin, page.find("```", begin) - begin);
}

Json documented_json() { return parse_json(documented(), "page"); }

Manifest parse(const Json& json) { return parse_manifest(dump_json(json), "test"); }

std::string error_of(const Json& json) {
  try {
    parse(json);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::malformed) << error.what();
    return error.what();
  }
  return "";
}

TEST(Manifest, ThePagesExampleIsCanonicalAndComplete) {
  const auto manifest = parse_manifest(documented(), "page");
  EXPECT_EQ(to_json_text(manifest), documented());
  EXPECT_EQ(manifest.name, "tiny");
  EXPECT_EQ(manifest.origin.uri, "hf://org/tiny");
  EXPECT_EQ(manifest.info.base_models, std::vector<std::string>{"org/base"});
  EXPECT_EQ(manifest.created, 1786106096);
  ASSERT_EQ(manifest.files.size(), 2U);
  EXPECT_EQ(manifest.files[0].part_crc64, std::vector<std::uint64_t>{0x6b0ea89829033a5b});
  EXPECT_EQ(manifest.files[0].sha256, Sha256::hex_of(as_bytes("{}\n")));
  EXPECT_EQ(manifest.files[0].git_sha1, GitBlobSha1::hex_of(as_bytes("{}\n")));
  EXPECT_EQ(manifest.total_bytes(), 75U);
}

TEST(Manifest, RootDigestIsTheSha256OfThePagesLines) {
  const auto page = read_file(test::source_dir() + "/docs/formats/manifest.md").value();
  const auto begin = page.find("```\nca3d") + 4;
  const auto lines = page.substr(begin, page.find("```", begin) - begin);
  EXPECT_EQ(parse_manifest(documented(), "page").root_digest,
            "sha256:" + Sha256::hex_of(as_bytes(lines)));
}

TEST(Manifest, RootDigestDependsOnContentOnly) {
  auto files = parse_manifest(documented(), "page").files;
  const auto digest = root_digest_of(files);
  std::reverse(files.begin(), files.end());
  files[0].etag = "other";
  files[0].part_size = 0;
  files[0].part_crc64 = {7};
  files[0].git_sha1 = "";
  EXPECT_EQ(root_digest_of(files), digest);
  for (auto change : {+[](ManifestFile& f) { f.path += "x"; }, +[](ManifestFile& f) { ++f.size; },
                      +[](ManifestFile& f) { f.sha256[0] = f.sha256[0] == '0' ? '1' : '0'; }}) {
    auto other = files;
    change(other[1]);
    EXPECT_NE(root_digest_of(other), digest);
  }
  EXPECT_EQ(root_digest_of({}), "sha256:" + Sha256::hex_of({}));
}

TEST(Manifest, PathsSortAsBytes) {
  const auto entry = [](const char* path) {
    return ManifestFile{.path = path,
                        .size = 0,
                        .sha256 = Sha256::hex_of({}),
                        .git_sha1 = "",
                        .part_size = 0,
                        .part_crc64 = {0},
                        .etag = ""};
  };
  Manifest manifest;
  manifest.name = "m";
  manifest.version = "1";
  manifest.files = {entry("b"), entry("é"), entry("B"), entry("a/x"), entry("a-")};
  manifest.files[2].path = "C";
  manifest.root_digest = root_digest_of(manifest.files);
  const auto read = parse_manifest(to_json_text(manifest), "test");
  std::vector<std::string> paths;
  for (const auto& file : read.files) paths.push_back(file.path);
  EXPECT_EQ(paths, (std::vector<std::string>{"C", "a-", "a/x", "b", "é"}));
  for (const auto& path : paths) EXPECT_NE(read.find(path), nullptr);
  EXPECT_EQ(read.find("a"), nullptr);
  EXPECT_EQ(read.find("zz"), nullptr);
}

// ---- older and newer readers

TEST(Manifest, NewerFormatIsRefusedWithTheWayOut) {
  auto json = documented_json();
  json["format_version"] = 2;
  json.erase("files");  // whatever else a later format changes
  try {
    parse(json);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::malformed);
    EXPECT_NE(error.hint().find("newer dray"), std::string::npos);
  }
}

TEST(Manifest, UnknownFieldsAreIgnored) {
  auto json = documented_json();
  json["signature"] = {{"key", "x"}};
  json["files"][0]["tensors"] = 7;
  json["model"]["stars"] = 1;
  EXPECT_EQ(parse(json), parse_manifest(documented(), "page"));
}

TEST(Manifest, OptionalFieldsMayBeMissing) {
  auto json = documented_json();
  for (const auto* key : {"model", "selection", "transforms", "lineage", "allows", "created_by"})
    json.erase(key);
  for (const auto* key : {"etag", "git_sha1", "part_crc64nvme", "part_size"})
    json["files"][0].erase(key);
  const auto manifest = parse(json);
  EXPECT_TRUE(manifest.files[0].part_crc64.empty());
  EXPECT_EQ(manifest.transforms, Json::array());
  EXPECT_EQ(manifest.lineage, Json::object());
}

// ---- damage

TEST(Manifest, LayersHoldFilesThatAreThereAndWhole) {
  const std::string digest = "sha256:" + std::string(64, 'a');
  const auto with = [&](const std::string& name, std::uint64_t size, const std::string& path,
                        std::uint64_t offset) {
    Json json = documented_json();
    json["layers"] = Json::array(
        {{{"digest", name}, {"size", size}, {"files", {{{"path", path}, {"offset", offset}}}}}});
    return json;
  };
  const Manifest manifest = parse(with(digest, 2'048, "model.safetensors", 1'024));
  ASSERT_EQ(manifest.layers.size(), 1U);
  EXPECT_EQ(manifest.layers[0].files[0].offset, 1'024U);
  EXPECT_EQ(parse_manifest(to_json_text(manifest), "again"), manifest);
  EXPECT_NE(error_of(with("sha256:x", 2'048, "model.safetensors", 0)), "");
  EXPECT_NE(error_of(with(digest, 2'048, "other", 0)), "");
  EXPECT_NE(error_of(with(digest, 2'048, "model.safetensors", 2'000)), "") << "beyond the end";
  EXPECT_NE(error_of(with(digest, 2'048, "model.safetensors", UINT64_MAX)), "");
  Json empty = with(digest, 2'048, "model.safetensors", 0);
  empty["layers"][0]["files"] = Json::array();
  EXPECT_NE(error_of(empty), "");
}

TEST(Manifest, NeededFieldsAreAskedFor) {
  for (const auto* key : {"format", "format_version", "name", "version", "origin", "files",
                          "root_digest", "created"}) {
    auto json = documented_json();
    json.erase(key);
    EXPECT_NE(error_of(json), "") << key;
    json[key] = Json::array({Json::object()});
    EXPECT_NE(error_of(json), "") << key;
  }
  for (const auto* key : {"path", "size", "sha256"}) {
    auto json = documented_json();
    json["files"][0].erase(key);
    EXPECT_NE(error_of(json), "") << key;
  }
}

struct Damage {
  const char* name;
  const char* pointer;
  const char* value;  // JSON
};

class ManifestDamage : public testing::TestWithParam<Damage> {};

TEST_P(ManifestDamage, IsRefused) {
  auto json = documented_json();
  json[Json::json_pointer(GetParam().pointer)] = Json::parse(GetParam().value);
  // So that it is the damage that is seen, and not that the root digest no longer fits.
  if (GetParam().name != std::string("RootDigest")) {
    std::vector<ManifestFile> files;
    for (const auto& file : json["files"])
      if (file.is_object() && file["path"].is_string() && file["size"].is_number_unsigned())
        files.push_back({.path = file["path"],
                         .size = file["size"],
                         .sha256 = file["sha256"],
                         .git_sha1 = "",
                         .part_size = 0,
                         .part_crc64 = {},
                         .etag = ""});
    json["root_digest"] = root_digest_of(files);
  }
  const auto error = error_of(json);
  EXPECT_NE(error, "");
  if (GetParam().name != std::string("RootDigest")) {
    EXPECT_EQ(error.find("give root digest"), std::string::npos) << error;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Places, ManifestDamage,
    testing::Values(
        Damage{"Format", "/format", R"("other")"}, Damage{"VersionZero", "/format_version", "0"},
        Damage{"VersionText", "/format_version", R"("1")"}, Damage{"Name", "/name", R"("a/b")"},
        Damage{"Version", "/version", R"("..")"},
        Damage{"RootDigest", "/root_digest", R"("sha256:00")"},
        Damage{"Climbing", "/files/0/path", R"("../x")"},
        Damage{"Absolute", "/files/0/path", R"("/etc/passwd")"},
        Damage{"Doubled", "/files/0/path", R"("model.safetensors")"},
        Damage{"SameButForCase", "/files/0/path", R"("Model.safetensors")"},
        Damage{"FileAndFolder", "/files/0/path", R"("model.safetensors/x")"},
        Damage{"NegativeSize", "/files/0/size", "-1"},
        Damage{"FractionalSize", "/files/0/size", "1.5"},
        Damage{"HugeSize", "/files/0/size", "18446744073709551615"},
        Damage{"ShortSha", "/files/0/sha256", R"("ca3d")"},
        Damage{"UpperSha", "/files/0/sha256",
               R"("CA3D163BAB055381827226140568F3BEF7EAAC187CEBD76878E0B63E9E442356")"},
        Damage{"Git", "/files/0/git_sha1", R"("zz67ef424bce6791893e9a57bb952f80fd536e93")"},
        Damage{"ShortCrc", "/files/0/part_crc64nvme", R"(["6b"])"},
        Damage{"NumberCrc", "/files/0/part_crc64nvme", "[5]"},
        Damage{"TooManyCrcs", "/files/0/part_crc64nvme",
               R"(["6b0ea89829033a5b","6b0ea89829033a5b"])"},
        Damage{"TooFewCrcs", "/files/1/part_size", "8"}, Damage{"NoObject", "/files/0", "7"},
        Damage{"Include", "/selection/include", "[1]"}, Damage{"Tags", "/model/tags", R"("a")"},
        Damage{"Transforms", "/transforms", "{}"}, Damage{"Lineage", "/lineage", "[]"},
        Damage{"Created", "/created", R"("yesterday")"},
        Damage{"BeforeTime", "/created", R"("0000-01-01T00:00:00+23:59")"}),
    [](const auto& param) { return std::string(param.param.name); });

TEST(Manifest, IsNoManifest) {
  for (const auto* text : {"", "[]", "null", "{}", "<html>", "{\"format\":\"dray-manifest\""})
    EXPECT_THROW(parse_manifest(text, "test"), Error) << text;
}

// ---- round trip

std::string random_text(std::mt19937_64& random) {
  static const std::string_view kLetters[] = {"a", "B", "7", ".", "-", "é", "\"", "\\", " ", "模"};
  std::string text = "x";
  for (auto n = random() % 8; n > 0; --n) text += kLetters[random() % std::size(kLetters)];
  return text;
}

Manifest random_manifest(std::mt19937_64& random) {
  Manifest manifest;
  manifest.name = "n" + std::to_string(random() % 100);
  manifest.version = "1.0." + std::to_string(random() % 100);
  manifest.origin = {.kind = "hf",
                     .uri = "hf://" + random_text(random),
                     .revision = "main",
                     .commit = random() % 2 ? "" : random_text(random),
                     .endpoint = ""};
  manifest.info.license = random() % 2 ? "" : random_text(random);
  if (random() % 2) manifest.info.tags = {random_text(random), ""};
  manifest.info.gated = random() % 2;
  manifest.all_files = random() % 2;
  if (random() % 2) manifest.exclude = {"*.bin", random_text(random)};
  if (random() % 2) manifest.transforms = {{{"scheme", random_text(random)}, {"group", 128}}};
  if (random() % 2) manifest.lineage = {{"base", random_text(random)}, {"score", 0.1}};
  if (random() % 2) manifest.allows = {"unverified-source"};
  manifest.created = static_cast<UnixTime>(random() % 4'000'000'000);
  manifest.created_by = "dray/0.1.0";
  for (auto n = random() % 5; n > 0; --n) {
    ManifestFile file;
    file.path = fmt::format("f{}/{}", n, "part.bin");
    file.size = random() % 100;
    file.sha256 = Sha256::hex_of(as_bytes(file.path));
    file.part_size = random() % 3 == 0 ? 0 : 1 + random() % 40;
    const auto parts = file.part_size == 0 || file.size == 0
                           ? 1
                           : (file.size + file.part_size - 1) / file.part_size;
    for (std::uint64_t i = 0; i < parts; ++i) file.part_crc64.push_back(random() >> (i * 8 % 64));
    if (random() % 2) file.etag = random_text(random);
    manifest.files.push_back(file);
  }
  std::reverse(manifest.files.begin(), manifest.files.end());
  manifest.root_digest = root_digest_of(manifest.files);
  return manifest;
}

TEST(Manifest, RandomOnesSurviveWritingAndReading) {
  auto random = test::generator(22);
  for (int round = 0; round < 300; ++round) {
    const auto manifest = random_manifest(random);
    const auto text = to_json_text(manifest);
    const auto read = parse_manifest(text, "test");
    ASSERT_EQ(read, manifest) << text;
    ASSERT_EQ(to_json_text(read), text);
  }
}

}  // namespace
}  // namespace dray
