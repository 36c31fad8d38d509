#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "dray/base/bytes.h"
#include "dray/base/json.h"
#include "dray/cli/progress_printer.h"
#include "dray/cli/text.h"

namespace dray::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Understands what the block uses: lines, "cursor up N lines", "clear line", "clear to the end".
class FakeTerminal {
 public:
  void write(std::string_view text) {
    bytes += text;
    while (!text.empty()) {
      if (text.starts_with("\x1b[")) {
        const std::size_t end = text.find_first_not_of("0123456789", 2);
        const std::size_t n = end > 2 ? std::stoul(std::string(text.substr(2, end - 2))) : 1;
        control(text[end], n);
        text.remove_prefix(end + 1);
      } else if (text.front() == '\n') {
        if (++row_ == lines.size()) lines.emplace_back();
        column_ = 0;
        text.remove_prefix(1);
      } else {
        if (column_ < lines[row_].size()) lines[row_].resize(column_);
        lines[row_] += text.front();
        ++column_;
        text.remove_prefix(1);
      }
    }
  }
  /// Without the empty line that the cursor is on.
  std::vector<std::string> shown() const {
    auto all = lines;
    while (!all.empty() && all.back().empty()) all.pop_back();
    return all;
  }

  std::string bytes;
  std::vector<std::string> lines{""};

 private:
  void control(char what, std::size_t n) {
    if (what == 'F') {
      ASSERT_GE(row_, n) << "cursor above the top";
      row_ -= n;
      column_ = 0;
    } else if (what == 'K') {
      lines[row_].resize(std::min(column_, lines[row_].size()));
    } else if (what == 'J') {
      lines[row_].resize(std::min(column_, lines[row_].size()));
      lines.resize(row_ + 1);
    } else {
      FAIL() << "unknown control " << what;
    }
  }
  std::size_t row_ = 0, column_ = 0;
};

class CliProgress : public testing::Test {
 protected:
  ProgressDisplay& display(ProgressMode mode, Screen screen = {80, 24}) {
    ProgressSink sink;
    sink.write = [this](std::string_view text) { terminal_.write(text); };
    sink.size = [screen] { return screen; };
    sink.now_text = [] { return std::string("2026-08-07T12:00:00Z"); };
    display_ = std::make_unique<ProgressDisplay>(progress_, ProgressText("llama:1.0.0", false),
                                                 mode, std::move(sink));
    return *display_;
  }
  /// The state of a transfer of two files at `done` of 2,000 MiB.
  void at(std::uint64_t mib) {
    if (progress_.view().total_bytes == 0) {
      progress_.phase("transferring");
      progress_.total(2000 * kMiB, 2);
      progress_.file_begin("model-00001.safetensors", 2000 * kMiB);
    }
    progress_.file_at("model-00001.safetensors", mib * kMiB);
    progress_.fetched(mib * kMiB - progress_.view().fetched);
  }
  SteadyTime after(milliseconds time) const { return start_ + time; }

  Progress progress_;
  FakeTerminal terminal_;
  std::unique_ptr<ProgressDisplay> display_;
  SteadyTime start_ = SteadyTime(seconds(1000));
};

TEST_F(CliProgress, TheBlockIsRedrawnInPlace) {
  ProgressDisplay& shown = display(ProgressMode::tty);
  at(100);
  shown.tick(after(seconds(0)));
  at(200);
  shown.tick(after(seconds(1)));
  const auto lines = terminal_.shown();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0].starts_with("llama:1.0.0   10 %")) << lines[0];
  EXPECT_NE(lines[0].find("100 MiB/s"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find("0:18 left"), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find("model-00001.safetensors"), std::string::npos);
}

TEST_F(CliProgress, AtMostTenDrawingsASecond) {
  ProgressDisplay& shown = display(ProgressMode::tty);
  at(100);
  for (int i = 0; i < 1000; ++i) shown.tick(after(milliseconds(i)));
  EXPECT_LE(std::ranges::count(terminal_.bytes, 'J'), 11);
}

TEST_F(CliProgress, LogLinesStayAboveTheBlock) {
  ProgressDisplay& shown = display(ProgressMode::tty);
  at(100);
  shown.tick(after(seconds(0)));
  shown.log(LogLevel::warn, "warning: slow");
  shown.tick(after(milliseconds(10)));  // at once, not after the usual pause
  shown.log(LogLevel::info, "second");
  shown.tick(after(milliseconds(20)));
  const auto lines = terminal_.shown();
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0], "warning: slow");
  EXPECT_EQ(lines[1], "second");
  EXPECT_TRUE(lines[2].starts_with("llama:1.0.0"));
}

TEST_F(CliProgress, TheBlockGoesAwayAtTheEnd) {
  ProgressDisplay& shown = display(ProgressMode::tty);
  at(100);
  shown.tick(after(seconds(0)));
  shown.log(LogLevel::info, "kept");
  shown.tick(after(seconds(1)));
  shown.finish(after(seconds(2)));
  shown.tick(after(seconds(3)));
  EXPECT_EQ(terminal_.shown(), std::vector<std::string>{"kept"});
}

TEST_F(CliProgress, NoLineIsWiderThanTheTerminal) {
  for (const std::size_t columns : {10u, 20u, 40u, 79u}) {
    ProgressDisplay& shown = display(ProgressMode::tty, {columns, 24});
    terminal_ = {};
    at(100);
    progress_.waiting("asked to slow down, going on in 37 s");
    progress_.retried();
    progress_.reused(50 * kMiB);
    progress_.file_begin("folder/模型-with-a-very-long-name-that-does-not-fit.safetensors", 5);
    shown.tick(after(seconds(0)));
    for (const auto& line : terminal_.shown()) EXPECT_LT(display_width(line), columns) << line;
  }
}

TEST_F(CliProgress, TheBarIsThereFromTheStartToTheEnd) {
  ProgressDisplay& shown = display(ProgressMode::tty, {80, 24});
  for (int i = 0; i <= 20; ++i) {
    at(static_cast<std::uint64_t>(i) * 100);
    shown.tick(after(seconds(i)));
    const std::string line = terminal_.shown()[0];
    EXPECT_EQ(std::ranges::count(line, '='), i / 2) << line;
    EXPECT_EQ(line.find('['), std::string("llama:1.0.0  100 %  ").size()) << line;
  }
}

TEST_F(CliProgress, PlainLinesComeEveryTenSecondsOrFivePercent) {
  ProgressDisplay& shown = display(ProgressMode::plain);
  at(0);
  shown.tick(after(seconds(0)));
  EXPECT_EQ(terminal_.shown().size(), 1u);  // the start
  at(10);
  shown.tick(after(seconds(9)));
  EXPECT_EQ(terminal_.shown().size(), 1u);
  shown.tick(after(seconds(10)));
  EXPECT_EQ(terminal_.shown().size(), 2u);  // ten seconds without a step: not silent
  at(120);
  shown.tick(after(milliseconds(10'500)));
  EXPECT_EQ(terminal_.shown().size(), 2u);  // a step of 5 %, but at most one line a second
  shown.tick(after(milliseconds(11'000)));
  EXPECT_EQ(terminal_.shown().size(), 3u);
  shown.finish(after(seconds(12)));
  EXPECT_EQ(terminal_.shown().size(), 4u);
  EXPECT_EQ(terminal_.bytes.find('\r'), std::string::npos);
  EXPECT_EQ(terminal_.bytes.find('\x1b'), std::string::npos);
  EXPECT_TRUE(terminal_.bytes.ends_with("\n"));
}

TEST_F(CliProgress, PlainTellsWhileNothingMoves) {
  ProgressDisplay& shown = display(ProgressMode::plain);
  progress_.phase("planning");
  shown.tick(after(seconds(0)));
  shown.tick(after(seconds(9)));
  EXPECT_EQ(terminal_.bytes, "");  // what is soon over says nothing
  progress_.waiting("asked to slow down, going on in 37 s");
  shown.tick(after(seconds(10)));
  shown.tick(after(seconds(19)));
  shown.tick(after(seconds(20)));
  const auto lines = terminal_.shown();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_NE(lines[0].find("planning"), std::string::npos);
  EXPECT_NE(lines[1].find("asked to slow down"), std::string::npos);
}

TEST_F(CliProgress, PlainTellsTheTotalOnceItIsKnown) {
  ProgressDisplay& shown = display(ProgressMode::plain);
  progress_.phase("planning");
  shown.tick(after(seconds(0)));
  at(0);
  shown.tick(after(milliseconds(300)));
  ASSERT_EQ(terminal_.shown().size(), 1u);
  EXPECT_NE(terminal_.shown()[0].find("of 2 GiB"), std::string::npos) << terminal_.shown()[0];
}

TEST_F(CliProgress, PlainNamesBigFilesOnly) {
  ProgressDisplay& shown = display(ProgressMode::plain);
  at(0);
  shown.tick(after(seconds(0)));
  progress_.file_begin("small", 5);
  progress_.file_done("small", 5);
  progress_.file_done("model-00001.safetensors", 2000 * kMiB);
  shown.tick(after(milliseconds(100)));
  const std::string text = terminal_.bytes;
  EXPECT_NE(text.find("model-00001.safetensors is complete"), std::string::npos);
  EXPECT_EQ(text.find("small"), std::string::npos);
}

TEST_F(CliProgress, JsonLinesAreJson) {
  ProgressDisplay& shown = display(ProgressMode::json);
  at(100);
  shown.tick(after(seconds(0)));
  progress_.file_done("model-00001.safetensors", 2000 * kMiB);
  shown.log(LogLevel::warn, "warning: slow");
  shown.tick(after(seconds(2)));
  shown.finish(after(seconds(3)));
  std::vector<std::string> types;
  for (const auto& line : terminal_.shown()) types.push_back(parse_json(line, "line")["type"]);
  EXPECT_EQ(types, (std::vector<std::string>{"start", "log", "file", "progress", "end"}));
  const Json start = parse_json(terminal_.shown()[0], "line");
  EXPECT_EQ(start["bytes_total"], 2000 * kMiB);
  EXPECT_EQ(start["bytes_done"], 100 * kMiB);
  EXPECT_EQ(start["ts"], "2026-08-07T12:00:00Z");
  EXPECT_TRUE(start["bytes_per_second"].is_null());
}

TEST_F(CliProgress, NoneIsSilentButAnswersWhenAsked) {
  ProgressDisplay& shown = display(ProgressMode::none);
  at(100);
  shown.tick(after(seconds(0)));
  EXPECT_EQ(terminal_.bytes, "");
  shown.tell();
  EXPECT_NE(terminal_.bytes.find("llama:1.0.0: 5 %"), std::string::npos) << terminal_.bytes;
  EXPECT_NE(terminal_.bytes.find("model-00001.safetensors"), std::string::npos);
}

TEST_F(CliProgress, AskedWhileABlockIsShown) {
  ProgressDisplay& shown = display(ProgressMode::tty);
  at(100);
  shown.tick(after(seconds(0)));
  shown.tell();
  shown.tick(after(milliseconds(10)));
  const auto lines = terminal_.shown();
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_TRUE(lines[0].starts_with("llama:1.0.0: 5 %"));
  EXPECT_TRUE(lines[2].starts_with("llama:1.0.0    5 %")) << lines[2];
}

TEST(CliProgressText, PercentIsNotRoundedUp) {
  ProgressView view;
  EXPECT_EQ(ProgressText::percent(view), std::nullopt);
  view.total_bytes = 1000;
  view.verified = 999;
  EXPECT_EQ(ProgressText::percent(view), 99);
  view.verified = 2000;
  EXPECT_EQ(ProgressText::percent(view), 100);
}

TEST(CliProgressText, ReusedBytesDoNotMakeTheRate) {
  ProgressText text("x", false);
  ProgressView view;
  view.total_bytes = 1000 * kMiB;
  text.sample(view, SteadyTime(seconds(0)));
  view.verified = view.reused = 500 * kMiB;
  text.sample(view, SteadyTime(seconds(1)));
  EXPECT_EQ(text.line(view).find("500.0 MiB/s"), std::string::npos) << text.line(view);
}

TEST(CliProgressText, TheRateForgetsOldTimes) {
  RateMeter meter;
  EXPECT_FALSE(meter.rate());
  for (int s = 0; s <= 20; ++s) meter.add(SteadyTime(seconds(s)), std::min(s, 10) * 100u);
  ASSERT_TRUE(meter.rate());
  EXPECT_LT(*meter.rate(), 1.0);  // nothing for ten seconds
}

}  // namespace
}  // namespace dray::cli
