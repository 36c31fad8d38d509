// An OCI registry, a store on it, and what imports into it need.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dray/model/tar_reader.h"
#include "dray/oci/image.h"
#include "dray/store/oci_store.h"
#include "tests/support/fake_registry.h"
#include "tests/unit/release/release_fixture.h"

namespace dray::test {

inline constexpr const char* kRepository = "org/tiny";

struct OciWorld : ReleaseFixture {
  explicit OciWorld(RegistryOptions options = {}) : fake(std::move(options)) {}

  OciStoreOptions store_options(const std::string& repository = kRepository) const {
    OciStoreOptions out;
    out.client.reference = oci::parse_reference("oci://" + fake.host() + "/" + repository);
    out.client.retry = request.transfer.retry;
    out.client.side = Side::destination;
    out.client.writes = true;
    if (const RegistryAuth auth = fake.options().auth; auth.kind != RegistryAuth::Kind::none) {
      out.client.credentials.user = auth.user;
      out.client.credentials.password = Secret(auth.password);
    }
    out.state = beside;
    out.base = kNoBase;
    out.part_size = 1'000;
    out.layers.large = 500;
    return out;
  }

  std::shared_ptr<OciStore> open(ImageFormat format = ImageFormat::modelcar) {
    OciStoreOptions options = store_options();
    options.format = format;
    auto opened = std::make_shared<OciStore>(std::move(options));
    request.store = opened.get();
    return opened;
  }

  /// The files below models/ of the image that the tag leads to, as a runtime unpacks them.
  std::map<std::string, std::string> unpacked(const std::string& tag,
                                              const std::string& repository = kRepository) const {
    std::map<std::string, std::string> out;
    for (const auto& layer : image(tag, repository).layers) {
      const std::string content = fake.blob(repository, layer.digest).value();
      EXPECT_EQ(FakeRegistry::digest_of(content), layer.digest);
      EXPECT_EQ(content.size(), layer.size);
      const auto read = [&](ByteRange range) {
        const Bytes bytes = as_bytes(std::string_view(content).substr(range.offset, range.length));
        return Buffer(bytes.begin(), bytes.end());
      };
      for (const auto& entry : tar::scan(content.size(), read, layer.digest))
        if (entry.type == tar::EntryType::file)
          out[entry.path] = content.substr(entry.data_offset, entry.size);
    }
    return out;
  }

  oci::Manifest image(const std::string& tag, const std::string& repository = kRepository) const {
    FakeManifest top = fake.manifest(repository, tag).value();
    if (oci::is_index(top.type)) {
      const auto index = oci::parse_image_index(top.content, tag);
      top = fake.manifest(repository, index.manifests.front().digest).value();
    }
    return oci::parse_image_manifest(top.content, tag);
  }

  /// The image of the tag holds the source's files and no others.
  void expect_image(const std::string& tag) {
    const auto files = unpacked(tag);
    const Snapshot snapshot = source.snapshot({});
    EXPECT_EQ(files.size(), snapshot.files.size());
    for (const auto& file : snapshot.files) {
      const auto found = files.find("models/" + file.path);
      ASSERT_NE(found, files.end()) << file.path;
      EXPECT_EQ(found->second, std::string(as_text(source.bytes(file.path)))) << file.path;
    }
  }

  FakeRegistry fake;
  std::shared_ptr<MemoryStore> beside = std::make_shared<MemoryStore>();
};

}  // namespace dray::test
