#include "dray/s3/checksum.h"

#include <gtest/gtest.h>

#include "tests/support/random.h"

namespace dray::s3 {
namespace {

const Bytes kCheck = as_bytes("123456789");

TEST(S3Checksum, NamesAndValuesAsOnTheWire) {
  const Checksum crc64 = checksum_of(ChecksumKind::crc64nvme, kCheck);
  EXPECT_EQ(checksum_text(crc64), "rosUhgp5mIg=");
  EXPECT_EQ(checksum_header(crc64.kind), "x-amz-checksum-crc64nvme");
  EXPECT_EQ(checksum_element(crc64.kind), "ChecksumCRC64NVME");
  const Checksum crc32c = checksum_of(ChecksumKind::crc32c, kCheck);
  EXPECT_EQ(checksum_text(crc32c), "4waSgw==");
  EXPECT_EQ(checksum_header(crc32c.kind), "x-amz-checksum-crc32c");
  EXPECT_EQ(checksum_element(crc32c.kind), "ChecksumCRC32C");
}

TEST(S3Checksum, ReadsWhatItWritesAndNothingElse) {
  for (const ChecksumKind kind : kChecksumKinds) {
    const Checksum checksum = checksum_of(kind, kCheck);
    EXPECT_EQ(parse_checksum(kind, checksum_text(checksum)), checksum);
    for (const std::string& bad :
         {std::string(), checksum_text(checksum) + "-3", std::string("!"), std::string("AAA=")})
      EXPECT_FALSE(parse_checksum(kind, bad)) << bad;
  }
  EXPECT_FALSE(parse_checksum(ChecksumKind::crc32c, "rosUhgp5mIg="));
}

TEST(S3Checksum, ThatOfTheWholeFollowsFromThoseOfThePieces) {
  const Buffer bytes = test::pattern(5000, 1);
  const Bytes a = Bytes(bytes).first(1234), b = Bytes(bytes).subspan(1234);
  for (const ChecksumKind kind : kChecksumKinds)
    EXPECT_EQ(combine(checksum_of(kind, a), checksum_of(kind, b), b.size()),
              checksum_of(kind, bytes));
}

TEST(S3Checksum, CompositeIsThatOfTheBigEndianValues) {
  const Checksum one{ChecksumKind::crc32c, 0x01020304}, two{ChecksumKind::crc32c, 0xE3069283};
  const std::byte values[] = {std::byte{1},    std::byte{2},    std::byte{3},    std::byte{4},
                              std::byte{0xE3}, std::byte{0x06}, std::byte{0x92}, std::byte{0x83}};
  EXPECT_EQ(composite_checksum({one, two}),
            checksum_text(checksum_of(ChecksumKind::crc32c, values)) + "-2");
}

TEST(S3Checksum, OnlyKnownOnesOfOneKindContradict) {
  const Checksum a{ChecksumKind::crc32c, 1}, b{ChecksumKind::crc32c, 2};
  EXPECT_TRUE(contradict(a, b));
  EXPECT_FALSE(contradict(a, a));
  EXPECT_FALSE(contradict(a, std::nullopt));
  EXPECT_FALSE(contradict(a, Checksum{ChecksumKind::crc64nvme, 2}));
}

}  // namespace
}  // namespace dray::s3
