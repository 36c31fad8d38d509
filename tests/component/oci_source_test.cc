// Images and artifacts that others made, read as sources.
#include "dray/source/oci_source.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dray/model/tar_writer.h"
#include "tests/support/errors.h"
#include "tests/support/gzip.h"
#include "tests/support/oci_world.h"

namespace dray {
namespace {

using Files = std::vector<std::pair<std::string, std::string>>;  // name in the archive → content

/// With any names, also those that dray itself never writes (whiteouts, "./x").
std::string tar_of(const Files& files) {
  constexpr std::size_t kChecksum = 148;
  std::string out;
  for (const auto& [path, content] : files) {
    std::string header(as_text(tar::file_header(std::string(path.size(), 'p'), content.size())));
    header.replace(0, path.size(), path);
    header.replace(kChecksum, 8, 8, ' ');
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    header.replace(kChecksum, 8, fmt::format("{:06o}{} ", sum, '\0'));
    out += header + content + std::string((512 - content.size() % 512) % 512, '\0');
  }
  return out + std::string(1024, '\0');
}

struct OciSourceTest : test::OciWorld {
  oci::Descriptor add(const std::string& content, const std::string& type,
                      oci::Annotations annotations = {}) {
    return {.media_type = type,
            .digest = fake.put_blob(test::kRepository, content),
            .size = content.size(),
            .annotations = std::move(annotations)};
  }
  /// `layers`: archives, with the type that they are stored as.
  void push_image(const std::vector<std::pair<std::string, std::string>>& layers) {
    oci::Manifest manifest;
    oci::Config config;
    config.platform = {"linux", "amd64", ""};
    for (const auto& [archive, type] : layers) {
      const bool packed = type.ends_with("gzip");
      manifest.layers.push_back(add(packed ? test::gzipped(archive) : archive, type));
      config.diff_ids.push_back(oci::digest_of(archive));
    }
    manifest.config = add(oci::to_json_text(config), std::string(oci::media::kConfig));
    fake.put_manifest(test::kRepository, "old", oci::to_json_text(manifest));
  }
  std::unique_ptr<OciSource> open() {
    OciSourceOptions options;
    oci::ClientOptions client;
    client.reference = oci::parse_reference("oci://" + fake.host() + "/" + test::kRepository);
    client.retry = request.transfer.retry;
    client.side = Side::source;
    options.images = std::make_shared<oci::Client>(client);
    options.uri = "oci://" + fake.host() + "/" + test::kRepository;
    options.reference = "old";
    options.default_name = "tiny";
    options.retry = request.transfer.retry;
    return std::make_unique<OciSource>(options);
  }
  /// Everything in it, as an import takes it.
  std::map<std::string, std::string> taken() {
    const auto from = open();
    test::MemoryStore into{{.part_size = 1'000}};
    ImportRequest wanted = request;
    wanted.source = from.get();
    wanted.store = &into;
    wanted.registry = nullptr;
    wanted.selection.all_files = true;
    wanted.allows = {"not-servable"};
    Progress progress;
    const ImportPlan plan = plan_import(wanted, progress, {});
    const ImportResult result = run_import(wanted, plan, progress, {});
    std::map<std::string, std::string> out;
    const std::string prefix = release_prefix("tiny", result.manifest.version);
    for (const auto& key : into.keys(prefix)) out[key.substr(prefix.size())] = *into.content(key);
    return out;
  }
  const std::string layer{oci::media::kLayer}, gzip{oci::media::kLayerGzip};
};

std::string text(std::size_t size, char letter) { return std::string(size, letter); }

TEST_F(OciSourceTest, LayersAreOneTreeWhetherCompressedOrNot) {
  push_image({{tar_of({{"etc/os-release", "x"},
                       {"models/gone.txt", "1"},
                       {"models/a", "old"},
                       {"models/dir/lower", "2"}}),
               gzip},
              {tar_of({{"models/a", text(3'000, 'a')},
                       {"models/.wh.gone.txt", ""},
                       {"models/dir/.wh..wh..opq", ""},
                       {"models/dir/upper", "3"}}),
               layer},
              {tar_of({{"./models/b", text(2'500'000, 'b')}, {"/models/c", "c"}}),
               std::string(oci::media::kDockerLayerGzip)}});
  EXPECT_EQ(
      taken(),
      (std::map<std::string, std::string>{
          {"a", text(3'000, 'a')}, {"b", text(2'500'000, 'b')}, {"c", "c"}, {"dir/upper", "3"}}));
}

TEST_F(OciSourceTest, NothingIsVisibleOfALayerWithWrongBytes) {
  const std::string archive = tar_of({{"models/a", text(5'000, 'a')}});
  push_image({{archive, layer}});
  std::string other = archive;
  other[700] = 'x';
  fake.spoil_blob(oci::digest_of(archive), other);
  EXPECT_EQ(test::error_of([&] { taken(); }).code(), Code::verification);
}

TEST_F(OciSourceTest, WhatACompressedLayerHoldsIsProvedToo) {
  const std::string archive = tar_of({{"models/a", text(5'000, 'a')}});
  push_image({{archive, gzip}});
  fake.spoil_blob(oci::digest_of(test::gzipped(archive)),
                  test::gzipped(tar_of({{"models/a", text(5'000, 'b')}})));
  EXPECT_EQ(test::error_of([&] { taken(); }).code(), Code::verification);
}

TEST_F(OciSourceTest, PathsThatLeaveTheModelAreRefused) {
  for (const std::string& path :
       std::vector<std::string>{"models/../../etc/passwd", "models/..", "models/a/../../b"}) {
    const std::string archive = tar_of({{path, "x"}});
    push_image({{archive, layer}});
    EXPECT_EQ(test::error_of([&] { taken(); }).code(), Code::malformed) << path;
  }
}

TEST_F(OciSourceTest, ArtifactsOfOtherToolsAreModels) {
  const auto push = [&](const std::string& config_type, const std::string& artifact_type,
                        std::vector<oci::Descriptor> layers) {
    oci::Manifest manifest;
    manifest.artifact_type = artifact_type;
    manifest.config = add("{}", config_type);
    manifest.layers = std::move(layers);
    fake.put_manifest(test::kRepository, "old", oci::to_json_text(manifest));
  };
  push("application/vnd.cncf.model.config.v1+json", "application/vnd.cncf.model.manifest.v1+json",
       {add(text(4'000, 'w'), "application/vnd.cncf.model.weight.v1.raw",
            {{"org.cncf.model.filepath", "sub/model.safetensors"}}),
        add(tar_of({{"config.json", "{}"}}), "application/vnd.cncf.model.weight.config.v1.tar")});
  EXPECT_EQ(taken(), (std::map<std::string, std::string>{
                         {"sub/model.safetensors", text(4'000, 'w')}, {"config.json", "{}"}}));
  push("application/vnd.kitops.modelkit.config.v1+json", "",
       {add(test::gzipped(tar_of({{"m/model.bin", text(3'000, 'k')}})),
            "application/vnd.kitops.modelkit.model.v1.tar+gzip")});
  EXPECT_EQ(taken(), (std::map<std::string, std::string>{{"m/model.bin", text(3'000, 'k')}}));
  push("application/vnd.docker.ai.model.config.v0.1+json", "",
       {add(text(2'000, 'g'), "application/vnd.docker.ai.gguf.v3"),
        add("MIT", "application/vnd.docker.ai.license")});
  EXPECT_EQ(taken(), (std::map<std::string, std::string>{{"model.gguf", text(2'000, 'g')},
                                                         {"LICENSE", "MIT"}}));
}

TEST_F(OciSourceTest, AnImageWithoutAModelSaysWhereItLooked) {
  push_image({{tar_of({{"etc/os-release", "x"}}), layer}});
  const Error error = test::error_of([&] { taken(); });
  EXPECT_EQ(error.code(), Code::not_found);
  EXPECT_NE(std::string(error.what()).find("/models"), std::string::npos);
}

TEST_F(OciSourceTest, AMissingTagIsNotFound) {
  const Error error = test::error_of([&] { open()->snapshot({}); });
  EXPECT_EQ(error.code(), Code::not_found);
  EXPECT_EQ(error.side(), Side::source);
}

TEST_F(OciSourceTest, CompressedLayersBecomeAModelcar) {
  // Their order is not that of the new image's.
  push_image({{tar_of({{"models/z.safetensors", text(4'000'000, 'z')},
                       {"models/tokenizer.model", text(1'500'000, 't')}}),
               gzip},
              {tar_of({{"models/a.safetensors", text(3'000'000, 'a')},
                       {"models/config.json", "{}"},
                       {"models/empty.txt", ""}}),
               gzip}});
  OciStoreOptions options = store_options("org/new");
  options.part_size = 1 << 20;
  OciStore into(options);
  const auto from = open();
  request.source = from.get();
  request.store = &into;
  request.selection.all_files = true;
  request.allows = {"not-servable"};
  const Manifest made = import().manifest;
  EXPECT_EQ(unpacked("1.0.0", "org/new"),
            (std::map<std::string, std::string>{{"models/z.safetensors", text(4'000'000, 'z')},
                                                {"models/tokenizer.model", text(1'500'000, 't')},
                                                {"models/a.safetensors", text(3'000'000, 'a')},
                                                {"models/config.json", "{}"},
                                                {"models/empty.txt", ""}}));
  Progress progress;
  EXPECT_TRUE(verify_release(into, made, kDefaultTemplate, false, request.transfer, progress, {})
                  .problems.empty());
}

TEST_F(OciSourceTest, ReadsInOrderAreTriedAgain) {
  const std::string archive = tar_of({{"models/a", text(3'000, 'a')}, {"models/b", text(10, 'b')}});
  push_image({{archive, layer}});
  fake.fault({.op = test::RegistryOp::get_blob, .skip = 2, .status = 503});
  EXPECT_EQ(taken(),
            (std::map<std::string, std::string>{{"a", text(3'000, 'a')}, {"b", text(10, 'b')}}));
}

}  // namespace
}  // namespace dray
