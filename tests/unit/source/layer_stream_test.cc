#include "dray/source/layer_stream.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <map>

#include "tests/support/errors.h"
#include "tests/support/gzip.h"
#include "tests/support/random.h"

namespace dray {
namespace {

std::string zstandard(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

/// Blobs in memory; the first reads of one may fail.
class MemoryImages final : public oci::Images {
 public:
  oci::Descriptor add(std::string content, std::string type) {
    oci::Descriptor out{
        .media_type = std::move(type), .digest = oci::digest_of(content), .size = content.size()};
    blobs[out.digest] = std::move(content);
    return out;
  }
  std::string name() const override { return "memory:/images"; }
  std::optional<oci::ManifestText> manifest(const std::string&, const std::stop_token&) override {
    return std::nullopt;
  }
  void read_blob(const std::string& digest, std::uint64_t, std::uint64_t offset, MutableBytes out,
                 const std::stop_token&) override {
    if (failures-- > 0) throw Error(Code::network, "reset").from(Side::source).transient();
    const std::string& content = blobs.at(digest);
    ASSERT_LE(offset + out.size(), content.size());
    std::copy_n(as_bytes(content).begin() + static_cast<std::ptrdiff_t>(offset), out.size(),
                out.begin());
  }
  std::string small_blob(const oci::Descriptor& blob, std::uint64_t,
                         const std::stop_token&) override {
    return blobs.at(blob.digest);
  }
  std::map<std::string, std::string> blobs;
  std::atomic<int> failures{0};
};

struct LayerStreamTest : testing::Test {
  std::string read(const oci::Descriptor& blob, const std::string& diff_id = "") {
    http::RetryPolicy retry;
    retry.sleep = [](std::stop_token, std::chrono::milliseconds) { return true; };
    LayerStream stream(images, blob, *tar_compression(blob.media_type), diff_id, retry, {});
    std::string out;
    for (Bytes piece = stream.next(); !piece.empty(); piece = stream.next()) out += as_text(piece);
    EXPECT_TRUE(stream.next().empty()) << "the end stays the end";
    EXPECT_EQ(stream.taken(), blob.size);
    return out;
  }
  MemoryImages images;
};

TEST_F(LayerStreamTest, GivesWhatIsInIt) {
  const Buffer bytes = test::pattern(9'000'000, 1);
  const std::string text = std::string(as_text(bytes)) + std::string(3'000'000, 'z');
  const std::string diff_id = oci::digest_of(text);
  EXPECT_EQ(read(images.add(text, std::string(oci::media::kLayer)), diff_id), text);
  EXPECT_EQ(read(images.add(test::gzipped(text), std::string(oci::media::kLayerGzip)), diff_id),
            text);
  EXPECT_EQ(read(images.add(zstandard(text), std::string(oci::media::kLayerZstd)), diff_id), text);
  EXPECT_EQ(
      read(images.add(test::gzipped(text), std::string(oci::media::kDockerLayerGzip)), diff_id),
      text);
}

TEST_F(LayerStreamTest, SeveralMembersAndPaddingAreOneStream) {
  const std::string one(100'000, 'a'), two(50'000, 'b');
  EXPECT_EQ(read(images.add(test::gzipped(one) + test::gzipped(two),
                            std::string(oci::media::kLayerGzip))),
            one + two);
  EXPECT_EQ(read(images.add(test::gzipped(one) + std::string(512, '\0'),
                            std::string(oci::media::kLayerGzip))),
            one);
  EXPECT_EQ(read(images.add(zstandard(one) + zstandard(two), std::string(oci::media::kLayerZstd))),
            one + two);
}

TEST_F(LayerStreamTest, ReadsThatFailAreTriedAgain) {
  const std::string text(1'000, 'x');
  const auto blob = images.add(test::gzipped(text), std::string(oci::media::kLayerGzip));
  images.failures = 2;
  EXPECT_EQ(read(blob), text);
}

TEST_F(LayerStreamTest, OtherBytesThanTheDigestSaysAreAnError) {
  const std::string text(10'000, 'x');
  for (const std::string& type :
       {std::string(oci::media::kLayer), std::string(oci::media::kLayerGzip)}) {
    auto blob = images.add(type == oci::media::kLayer ? text : test::gzipped(text), type);
    blob.digest = "sha256:" + std::string(64, '0');
    images.blobs[blob.digest] = type == oci::media::kLayer ? text : test::gzipped(text);
    EXPECT_EQ(test::error_of([&] { read(blob); }).code(), Code::verification) << type;
  }
  const auto blob = images.add(test::gzipped(text), std::string(oci::media::kLayerGzip));
  EXPECT_EQ(test::error_of([&] { read(blob, oci::digest_of("other")); }).code(),
            Code::verification);
}

TEST_F(LayerStreamTest, CutAndForeignDataAreMalformed) {
  const std::string whole = test::gzipped(std::string(as_text(test::pattern(100'000, 2))));
  for (const std::string& content :
       {whole.substr(0, whole.size() / 2), std::string("no gzip at all")})
    EXPECT_EQ(test::error_of([&] {
                read(images.add(content, std::string(oci::media::kLayerGzip)));
              }).code(),
              Code::malformed);
}

TEST(LayerTypes, AreKnownByTheirNames) {
  EXPECT_EQ(tar_compression(oci::media::kLayer), LayerCompression::none);
  EXPECT_EQ(tar_compression("application/vnd.kitops.modelkit.model.v1.tar+gzip"),
            LayerCompression::gzip);
  EXPECT_EQ(tar_compression("application/vnd.cncf.model.weight.v1.raw"), std::nullopt);
}

}  // namespace
}  // namespace dray
