#include "dray/store/volume_upload.h"

#include <gtest/gtest.h>

#include <fstream>

#include "dray/base/crc.h"
#include "dray/base/json.h"
#include "tests/support/random.h"
#include "tests/support/temp_folder.h"

namespace dray::test {
namespace {

namespace fs = std::filesystem;
const std::stop_token kGo;
constexpr std::uint64_t kSize = 3 * kMiB + 777, kPart = 500'000, kVolume = kMiB + 300'000;

class VolumeUploadTest : public testing::Test {
 protected:
  std::unique_ptr<VolumeUpload> begin(std::vector<PutPart> saved = {}) {
    return std::make_unique<VolumeUpload>(folder_.path(),
                                          ObjectSpec{.key = "archive", .size = kSize}, layout_,
                                          kVolume, "sha256:x", "id", std::move(saved));
  }
  Bytes part(std::uint64_t index) const {
    const ByteRange range = layout_.part(index);
    return Bytes(content_).subspan(range.offset, range.length);
  }
  PutPart put(VolumeUpload& upload, std::uint64_t index) {
    return upload.put(index, part(index), crc64nvme(0, part(index)), kGo);
  }
  std::vector<PutPart> all() const {
    std::vector<PutPart> parts;
    for (std::uint64_t i = 0; i < layout_.count(); ++i)
      parts.push_back({i, layout_.part(i).length, crc64nvme(0, part(i)), ""});
    return parts;
  }
  std::string volume(std::size_t index) const {
    return read_file(unnamed_volume(folder_.path(), index)).value();
  }
  /// Sizes, digests and bytes are those of the content.
  void expect_right() {
    const Json list = parse_json(read_file(finished_list(folder_.path())).value(), "list");
    ASSERT_EQ(list["files"].size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
      const std::uint64_t from = i * kVolume;
      const Bytes bytes = Bytes(content_).subspan(from, std::min(kVolume, kSize - from));
      EXPECT_EQ(volume(i), as_text(bytes)) << i;
      EXPECT_EQ(list["files"][i]["sha256"], Sha256::hex_of(bytes)) << i;
      EXPECT_EQ(list["files"][i]["head_sha256"],
                Sha256::hex_of(bytes.first(std::min<std::size_t>(bytes.size(), kBundleHead))))
          << i;
    }
  }

  TempFolder folder_;
  const PartLayout layout_{kSize, kPart, true};
  Buffer content_ = pattern(kSize, 7);
};

TEST_F(VolumeUploadTest, CutsAnywhere) {
  const auto upload = begin();
  for (std::uint64_t i = 0; i < layout_.count(); ++i) put(*upload, i);
  EXPECT_FALSE(fs::exists(finished_list(folder_.path()))) << "not before it is complete";
  upload->commit(all(), "", kGo);
  expect_right();
}

TEST_F(VolumeUploadTest, GoesOnAfterWhatIsProved) {
  std::vector<PutPart> saved;
  {
    const auto upload = begin();
    for (std::uint64_t i = 0; i < 4; ++i) saved.push_back(put(*upload, i));
  }
  const auto upload = begin(saved);
  EXPECT_EQ(upload->present(kGo).size(), 4u);
  for (std::uint64_t i = 4; i < layout_.count(); ++i) put(*upload, i);
  upload->commit(all(), "", kGo);
  expect_right();
}

TEST_F(VolumeUploadTest, APartThatChangedSinceDoesNotCountNorWhatFollows) {
  std::vector<PutPart> saved;
  {
    const auto upload = begin();
    for (std::uint64_t i = 0; i < 6; ++i) saved.push_back(put(*upload, i));
  }
  {
    std::fstream file(unnamed_volume(folder_.path(), 1),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(3 * kPart - kVolume + 10));
    file.put('!');
  }
  const auto upload = begin(saved);
  EXPECT_EQ(upload->present(kGo).size(), 3u);
  for (std::uint64_t i = 3; i < layout_.count(); ++i) put(*upload, i);
  upload->commit(all(), "", kGo);
  expect_right();
}

TEST_F(VolumeUploadTest, WhatACrashAteDoesNotCount) {
  std::vector<PutPart> saved;
  {
    const auto upload = begin();
    for (std::uint64_t i = 0; i < 6; ++i) saved.push_back(put(*upload, i));
  }
  fs::resize_file(unnamed_volume(folder_.path(), 0), 10);
  EXPECT_EQ(begin(saved)->present(kGo).size(), 0u);
}

TEST_F(VolumeUploadTest, PartsThatComeAgainAreHashedAgain) {
  const auto upload = begin();
  const Buffer wrong(kPart);
  upload->put(0, wrong, crc64nvme(0, wrong), kGo);
  for (std::uint64_t i = 1; i < layout_.count(); ++i) put(*upload, i);
  put(*upload, 0);
  upload->commit(all(), "", kGo);
  expect_right();
}

}  // namespace
}  // namespace dray::test
