#include "dray/serve/byte_range.h"

#include <gtest/gtest.h>

#include "tests/support/random.h"

namespace dray {
namespace {

struct Row {
  const char* header;
  std::uint64_t size;
  int status;
  ByteRange range;
};

TEST(ServeByteRange, IsAnsweredAsTheRfcSays) {
  const Row rows[] = {
      {"bytes=0-0", 10, 206, {0, 1}},
      {"bytes=2-5", 10, 206, {2, 4}},
      {"bytes=2-", 10, 206, {2, 8}},
      {"bytes=0-99", 10, 206, {0, 10}},
      {"bytes=9-9", 10, 206, {9, 1}},
      {"bytes=-3", 10, 206, {7, 3}},
      {"bytes=-30", 10, 206, {0, 10}},
      {"bytes=10-", 10, 416, {}},
      {"bytes=10-11", 10, 416, {}},
      {"bytes=-0", 10, 416, {}},
      {"bytes=0-", 0, 416, {}},
      {"bytes=-5", 0, 416, {}},
      {"bytes=18446744073709551615-", 10, 416, {}},
      {"bytes=0-18446744073709551615", 10, 206, {0, 10}},
      // Malformed or not supported: the whole.
      {"bytes=5-2", 10, 200, {0, 10}},
      {"bytes=-", 10, 200, {0, 10}},
      {"bytes=", 10, 200, {0, 10}},
      {"bytes=a-b", 10, 200, {0, 10}},
      {"bytes=1-x", 10, 200, {0, 10}},
      {"bytes=+1-2", 10, 200, {0, 10}},
      {"bytes=0-1,3-4", 10, 200, {0, 10}},
      {"bytes=99999999999999999999-", 10, 200, {0, 10}},
      {"lines=0-1", 10, 200, {0, 10}},
      {"", 10, 200, {0, 10}},
  };
  for (const auto& row : rows) {
    const auto answer = answer_range(std::string(row.header), row.size);
    EXPECT_EQ(answer.status, row.status) << row.header;
    EXPECT_EQ(answer.range, row.range) << row.header;
  }
  EXPECT_EQ(answer_range(std::nullopt, 7).range, (ByteRange{0, 7}));
}

TEST(ServeByteRange, RandomOnesStayInside) {
  auto random = test::generator(31);
  for (int round = 0; round < 2000; ++round) {
    const auto size = random() % 20;
    const auto text = "bytes=" + (random() % 3 ? std::to_string(random() % 25) : "") + "-" +
                      (random() % 3 ? std::to_string(random() % 25) : "");
    const auto answer = answer_range(text, size);
    EXPECT_LE(answer.range.end(), size) << text << " of " << size;
    EXPECT_EQ(answer.status == 416, answer.range.length == 0 && answer.status != 200)
        << text << " of " << size;
  }
}

}  // namespace
}  // namespace dray
