#include "dray/base/failpoint.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "dray/base/error.h"

namespace dray {
namespace {

// The environment is read when a process starts: these tests start the program again.
class FailpointDeathTest : public testing::Test {
 protected:
  FailpointDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  ~FailpointDeathTest() override { ::unsetenv("DRAY_FAILPOINT"); }
};

void pass(std::string_view name, int times) {
  for (int i = 0; i < times; ++i) {
    try {
      failpoint(name);
      std::fputs("passed ", stderr);
    } catch (const Error& e) {
      std::fputs(e.retryable() ? "transient " : "permanent ", stderr);
    }
  }
}

TEST_F(FailpointDeathTest, KillsAtTheFirstArrival) {
  ::setenv("DRAY_FAILPOINT", "here", 1);
  EXPECT_EXIT(
      {
        pass("elsewhere", 2);
        pass("here", 2);
        std::exit(0);
      },
      testing::KilledBySignal(SIGKILL), "^passed passed $");
}

TEST_F(FailpointDeathTest, KillsAtTheCountedArrival) {
  ::setenv("DRAY_FAILPOINT", "here:3", 1);
  EXPECT_EXIT(pass("here", 9), testing::KilledBySignal(SIGKILL), "^passed passed $");
}

TEST_F(FailpointDeathTest, ThrowsOnce) {
  ::setenv("DRAY_FAILPOINT", "here=error", 1);
  EXPECT_EXIT(
      {
        pass("here", 3);
        std::exit(0);
      },
      testing::ExitedWithCode(0), "^transient passed passed $");
}

TEST(Failpoint, DoesNothingWhereNoneIsSet) {
  for (int i = 0; i < 3; ++i) EXPECT_NO_THROW(failpoint("anything"));
}

}  // namespace
}  // namespace dray
