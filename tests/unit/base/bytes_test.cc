#include "dray/base/bytes.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/random.h"

namespace dray {
namespace {

constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();

std::string decoded(std::string_view text) {
  const auto bytes = from_base64(text);
  return bytes ? std::string(as_text(*bytes)) : "refused";
}

TEST(BytesText, HexBothWays) {
  EXPECT_EQ(to_hex(as_bytes(std::string_view("\x00\x7f\xff", 3))), "007fff");
  EXPECT_EQ(from_hex("007Fff"), Buffer({std::byte{0}, std::byte{0x7f}, std::byte{0xff}}));
  EXPECT_EQ(from_hex(""), Buffer());
  for (const char* bad : {"0", "0g", "g0", "0x12", " 00", "00 "})
    EXPECT_FALSE(from_hex(bad)) << bad;
}

TEST(BytesText, Base64VectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : vectors) {
    EXPECT_EQ(to_base64(as_bytes(plain)), text);
    EXPECT_EQ(decoded(text), plain);
  }
  EXPECT_EQ(to_base64(as_bytes("\xfb\xff\xbf")), "+/+/");
}

TEST(BytesText, Base64RefusesWhatIsNotCanonical) {
  for (const char* bad : {"Zg", "Zg=", "Zg===", "Zm9v\n", "Zm 9v",
                          "=Zg=", "Z===", "====", "Zg==Zg==", "Zh==", "Zm9=", "-_-_", "Zm9\xff"})
    EXPECT_EQ(decoded(bad), "refused") << bad;
}

TEST(BytesText, Base64RoundTripsRandomBytes) {
  auto random = test::generator(1);
  for (std::size_t size = 0; size < 200; ++size) {
    const Buffer bytes = test::pattern(size, random());
    ASSERT_EQ(from_base64(to_base64(bytes)), bytes);
    ASSERT_EQ(from_hex(to_hex(bytes)), bytes);
  }
}

TEST(BytesText, HumanSizes) {
  EXPECT_EQ(human_size(0), "0 B");
  EXPECT_EQ(human_size(1023), "1023 B");
  EXPECT_EQ(human_size(1024), "1 KiB");
  EXPECT_EQ(human_size(1536), "1.5 KiB");
  EXPECT_EQ(human_size(43'200'000), "41.2 MiB");
  EXPECT_EQ(human_size(kMiB - 1), "1 MiB") << "rounding must not give 1024 KiB";
  EXPECT_EQ(human_size(500 * kGiB), "500 GiB");
  EXPECT_EQ(human_size(kMax), "16 EiB");
}

TEST(BytesText, NumbersFillTheTextAnd64Bits) {
  EXPECT_EQ(parse_u64("0"), 0U);
  EXPECT_EQ(parse_u64("18446744073709551615"), kMax);
  EXPECT_EQ(parse_u64("007"), 7U);
  for (const char* bad :
       {"", "18446744073709551616", "99999999999999999999", "-1", "+1", " 1", "1 ", "1.0", "0x1"})
    EXPECT_FALSE(parse_u64(bad)) << bad;
}

TEST(BytesText, SizesAsPeopleWriteThem) {
  EXPECT_EQ(parse_size("1048576"), kMiB);
  EXPECT_EQ(parse_size("256MiB"), 256 * kMiB);
  EXPECT_EQ(parse_size("64M"), 64 * kMiB);
  EXPECT_EQ(parse_size("64m"), 64 * kMiB);
  EXPECT_EQ(parse_size("64Mi"), 64 * kMiB);
  EXPECT_EQ(parse_size("1GB"), 1'000'000'000U);
  EXPECT_EQ(parse_size("1 GB"), 1'000'000'000U);
  EXPECT_EQ(parse_size("512B"), 512U);
  EXPECT_EQ(parse_size("1.5GiB"), kGiB + kGiB / 2);
  EXPECT_EQ(parse_size("0.000000001GB"), 1U);
  EXPECT_EQ(parse_size("15E"), 15 * kGiB * kGiB);
  for (const char* bad : {"", "MiB", "1.5", "1.5B", "1.", ".5G", "1.2.3G", "16E", "-1M", "1MM",
                          "1iB", "1MiBs", "1 ", "1 M ", "1XB", "18446744073709551616"})
    EXPECT_FALSE(parse_size(bad)) << bad;
}

}  // namespace
}  // namespace dray
