#include "dray/base/crc.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/random.h"

namespace dray {
namespace {

const Bytes kCheck = as_bytes("123456789");

TEST(Crc, CheckValues) {
  EXPECT_EQ(crc64nvme(0, kCheck), 0xAE8B14860A799888U);
  EXPECT_EQ(crc64nvme_portable(0, kCheck), 0xAE8B14860A799888U);
  EXPECT_EQ(crc32c(0, kCheck), 0xE3069283U);
  EXPECT_EQ(crc32c_portable(0, kCheck), 0xE3069283U);
}

TEST(Crc, PublishedVectorsOf32Bytes) {
  // RFC 3720, appendix B.4.
  Buffer bytes(32, std::byte{0});
  EXPECT_EQ(crc32c(0, bytes), 0x8A9136AAU);
  std::ranges::fill(bytes, std::byte{0xFF});
  EXPECT_EQ(crc32c(0, bytes), 0x62A8AB43U);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
  EXPECT_EQ(crc32c(0, bytes), 0x46DD794EU);
}

TEST(Crc, PublishedVectorsOf4096Bytes) {
  // From the test vectors of the Linux kernel and the NVM Express command set specification.
  Buffer bytes(4096, std::byte{0});
  EXPECT_EQ(crc64nvme(0, bytes), 0x6482D367EB22B64EU);
  std::ranges::fill(bytes, std::byte{0xFF});
  EXPECT_EQ(crc64nvme(0, bytes), 0xC0DDBA7302ECA3ACU);
}

TEST(Crc, NothingChangesNothing) {
  EXPECT_EQ(crc64nvme(0, {}), 0U);
  EXPECT_EQ(crc64nvme(0x1234, {}), 0x1234U);
  EXPECT_EQ(crc32c(0x1234, {}), 0x1234U);
}

TEST(Crc, HeadersAreBigEndianBase64) {
  EXPECT_EQ(crc64_header(crc64nvme(0, kCheck)), "rosUhgp5mIg=");
  EXPECT_EQ(crc32_header(crc32c(0, kCheck)), "4waSgw==");
  EXPECT_EQ(crc64_header(1), "AAAAAAAAAAE=");
}

TEST(Crc, FastAndPortableAgreeAtEveryLengthAndAlignment) {
  // Lengths around the fold's block of 128, its step of 16 and the table's step of 8.
  const Buffer bytes = test::pattern(700, 1);
  for (std::size_t start = 0; start < 17; ++start) {
    for (std::size_t length = 0; length + start <= bytes.size(); ++length) {
      const Bytes part = Bytes(bytes).subspan(start, length);
      ASSERT_EQ(crc64nvme(7, part), crc64nvme_portable(7, part)) << start << " " << length;
      ASSERT_EQ(crc32c(7, part), crc32c_portable(7, part)) << start << " " << length;
    }
  }
}

TEST(Crc, FastAndPortableAgreeAroundTheInterleavedBlock) {
  const Buffer bytes = test::pattern(2 * 3 * 4096 + 40, 2);
  for (std::size_t less = 0; less < 60; ++less) {
    for (const std::size_t size : {bytes.size(), bytes.size() / 2}) {
      const Bytes part = Bytes(bytes).first(size - less);
      ASSERT_EQ(crc32c(0, part), crc32c_portable(0, part)) << part.size();
      ASSERT_EQ(crc64nvme(0, part), crc64nvme_portable(0, part)) << part.size();
    }
  }
}

TEST(Crc, ChainsAndCombinesAtRandomSplits) {
  auto random = test::generator(3);
  for (int round = 0; round < 300; ++round) {
    const Buffer bytes = test::pattern(1 + random() % 20'000, random());
    const std::size_t cut = random() % (bytes.size() + 1);
    const Bytes a = Bytes(bytes).first(cut), b = Bytes(bytes).subspan(cut);
    const auto whole64 = crc64nvme(0, bytes);
    ASSERT_EQ(crc64nvme(crc64nvme(0, a), b), whole64);
    ASSERT_EQ(crc64nvme_combine(crc64nvme(0, a), crc64nvme(0, b), b.size()), whole64);
    const auto whole32 = crc32c(0, bytes);
    ASSERT_EQ(crc32c(crc32c(0, a), b), whole32);
    ASSERT_EQ(crc32c_combine(crc32c(0, a), crc32c(0, b), b.size()), whole32);
  }
}

TEST(Crc, JoinsPartsOfOneSizeWithAShorterLastOne) {
  const Buffer bytes = test::pattern(10'700, 5);
  for (const std::size_t part : {1'000, 1'070, 5'350, 10'699, 10'700}) {
    std::vector<std::uint64_t> crcs;
    for (std::size_t at = 0; at < bytes.size(); at += part)
      crcs.push_back(crc64nvme(0, Bytes(bytes).subspan(at, std::min(part, bytes.size() - at))));
    EXPECT_EQ(crc64nvme_join(crcs, part, bytes.size()), crc64nvme(0, bytes)) << part;
  }
  EXPECT_EQ(crc64nvme_join({}, 1'000, 0), crc64nvme(0, {}));
}

TEST(Crc, CombineIsAssociativeForLengthsNoTestCouldHash) {
  auto random = test::generator(4);
  for (int round = 0; round < 100; ++round) {
    const std::uint64_t a = random(), b = random(), c = random();
    const std::uint64_t length_b = random() >> 2, length_c = random() >> 2;
    ASSERT_EQ(crc64nvme_combine(crc64nvme_combine(a, b, length_b), c, length_c),
              crc64nvme_combine(a, crc64nvme_combine(b, c, length_c), length_b + length_c));
    const auto a32 = static_cast<std::uint32_t>(a), b32 = static_cast<std::uint32_t>(b),
               c32 = static_cast<std::uint32_t>(c);
    ASSERT_EQ(crc32c_combine(crc32c_combine(a32, b32, length_b), c32, length_c),
              crc32c_combine(a32, crc32c_combine(b32, c32, length_c), length_b + length_c));
  }
}

}  // namespace
}  // namespace dray
