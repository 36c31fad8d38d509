#include "dray/base/time.h"

#include <gtest/gtest.h>

#include <thread>

#include "dray/base/error.h"
#include "tests/support/random.h"

namespace dray {
namespace {

constexpr UnixTime kMoment = 1786106096;  // 2026-08-07 12:34:56 UTC, a Friday

TEST(TimeText, Rfc3339) {
  EXPECT_EQ(rfc3339(kMoment), "2026-08-07T12:34:56Z");
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(-1), "1969-12-31T23:59:59Z");
  EXPECT_EQ(parse_rfc3339("2026-08-07T12:34:56Z"), kMoment);
  EXPECT_EQ(parse_rfc3339("2026-08-07t12:34:56.999999999z"), kMoment);
  EXPECT_EQ(parse_rfc3339("2026-08-07T14:34:56+02:00"), kMoment);
  EXPECT_EQ(parse_rfc3339("2026-08-07T02:04:56-10:30"), kMoment);
  EXPECT_EQ(parse_rfc3339("2024-02-29T00:00:00Z"), 1709164800);
  EXPECT_EQ(parse_rfc3339("2016-12-31T23:59:60Z"), 1483228800) << "a leap second";
}

TEST(TimeText, Rfc3339RefusesTheRest) {
  for (const char* bad :
       {"", "2026-08-07", "2026-08-07T12:34:56", "2026-08-07T12:34Z", "2026-13-07T12:34:56Z",
        "2026-02-29T12:34:56Z", "2026-08-07T24:00:00Z", "2026-08-07T12:60:56Z",
        "2026-08-07T12:34:56.Z", "2026-08-07T12:34:56Zx", "2026-08-07T12:34:56+2:00",
        "2026-08-07T12:34:56+24:00", "2026-08-07T12:34:56+0200", "26-08-07T12:34:56Z",
        "+026-08-07T12:34:56Z", "2026-8-7T12:34:56Z"})
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
}

TEST(TimeText, HttpDates) {
  EXPECT_EQ(http_date(kMoment), "Fri, 07 Aug 2026 12:34:56 GMT");
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");  // the example of RFC 9110
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
  for (const char* bad : {"", "Sun, 06 Nov 1994 08:49:37", "Sun, 6 Nov 1994 08:49:37 GMT",
                          "sun, 06 nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
                          "Sun, 06 Nov 1994 25:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT "})
    EXPECT_FALSE(parse_http_date(bad)) << bad;
}

TEST(TimeText, RoundTripsRandomMoments) {
  auto random = test::generator(1);
  for (int i = 0; i < 1000; ++i) {
    const auto moment = static_cast<UnixTime>(random() % 253402300800U);  // up to the year 9999
    ASSERT_EQ(parse_rfc3339(rfc3339(moment)), moment);
    ASSERT_EQ(parse_http_date(http_date(moment)), moment);
  }
}

TEST(TimeWait, EndsEarlyWhenStopped) {
  std::stop_source stop;
  std::jthread stopper([&stop] { stop.request_stop(); });
  EXPECT_FALSE(wait_for(stop.get_token(), std::chrono::hours(1)));
  EXPECT_FALSE(wait_for(stop.get_token(), std::chrono::hours(1))) << "stopped before it began";
}

TEST(TimeWait, EndsByItself) {
  EXPECT_TRUE(wait_for({}, std::chrono::milliseconds(1)));
  EXPECT_TRUE(wait_for({}, std::chrono::milliseconds(0)));
  EXPECT_TRUE(wait_for({}, std::chrono::milliseconds(-5)));
}

TEST(TimeWait, StoppedIsAnError) {
  std::stop_source stop;
  EXPECT_NO_THROW(throw_if_stopped(stop.get_token()));
  EXPECT_NO_THROW(throw_if_stopped({}));
  stop.request_stop();
  try {
    throw_if_stopped(stop.get_token());
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::cancelled);
  }
}

}  // namespace
}  // namespace dray
