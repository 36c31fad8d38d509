#include "dray/base/log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace dray {
namespace {

class LogLines : public testing::Test {
 protected:
  LogLines() {
    set_log_sink(
        [this](LogLevel level, std::string_view line) { lines_.emplace_back(level, line); });
  }
  ~LogLines() override {
    set_log_sink(nullptr);
    set_log_level(before_);
  }
  std::vector<std::pair<LogLevel, std::string>> lines_;

 private:
  LogLevel before_ = log_level();
};

TEST_F(LogLines, SayHowBadItIs) {
  set_log_level(LogLevel::trace);
  log(LogLevel::error, "no {}", "luck");
  warn("slow");
  info("{} files", 3);
  debug("d");
  log(LogLevel::trace, "t");
  ASSERT_EQ(lines_.size(), 5U);
  EXPECT_EQ(lines_[0], std::pair(LogLevel::error, std::string("error: no luck")));
  EXPECT_EQ(lines_[1].second, "warning: slow");
  EXPECT_EQ(lines_[2].second, "3 files");
  EXPECT_EQ(lines_[3].second, "debug: d");
  EXPECT_EQ(lines_[4].second, "trace: t");
}

TEST_F(LogLines, BelowTheLevelAreDropped) {
  set_log_level(LogLevel::warn);
  info("hidden");
  warn("shown");
  log_line(LogLevel::debug, "hidden");
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_EQ(lines_[0].second, "warning: shown");
}

TEST_F(LogLines, CannotDriveATerminal) {
  info("a\x1b[2Jb\rc\x07");
  EXPECT_EQ(lines_.at(0).second, "a?[2Jb?c?");
}

TEST_F(LogLines, FromManyThreadsStayWhole) {
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([t] {
        for (int i = 0; i < 200; ++i) info("{}{}{}", t, t, t);
      });
  }
  ASSERT_EQ(lines_.size(), 800U);
  for (const auto& line : lines_) EXPECT_EQ(line.second, std::string(3, line.second[0]));
}

TEST(LogToStderr, IsTheDefault) {
  testing::internal::CaptureStderr();
  warn("plain {}", 1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "warning: plain 1\n");
}

}  // namespace
}  // namespace dray
