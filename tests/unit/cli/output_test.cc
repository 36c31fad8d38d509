#include "dray/cli/output.h"

#include <gtest/gtest.h>

#include <memory>

#include "dray/base/json.h"

namespace dray::cli {
namespace {

/// Files in place of stdout and stderr.
struct Streams {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> out{std::tmpfile(), std::fclose};
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> err{std::tmpfile(), std::fclose};

  static std::string text(std::FILE* file) {
    std::fflush(file);
    std::rewind(file);
    std::string all(65536, '\0');
    all.resize(std::fread(all.data(), 1, all.size(), file));
    return all;
  }
  std::string out_text() const { return text(out.get()); }
  std::string err_text() const { return text(err.get()); }
};

Error sample() {
  return Error(Code::server, "the store failed")
      .on("put", "s3://b/k\x1b[2J")
      .http(503, "SlowDown", "req-1")
      .because(Error(Code::network, "cut off").http(0, "", "req-2").hint("try later"))
      .transient();
}

TEST(CliOutput, DataOnStdoutTheRestOnStderr) {
  Streams streams;
  Output out({}, streams.out.get(), streams.err.get());
  out.line("data");
  out.json({{"no", "json"}});
  out.note("a note");
  out.warning("careful");
  out.next("dray list");
  EXPECT_TRUE(out.finish());
  EXPECT_EQ(streams.out_text(), "data\n");
  EXPECT_EQ(streams.err_text(), "a note\nwarning: careful\nnext: dray list\n");
}

TEST(CliOutput, JsonModeGivesOnlyJson) {
  Streams streams;
  Output out({.json = true}, streams.out.get(), streams.err.get());
  out.line("text");
  out.table({{{"A"}}, {{"b"}}});
  out.json({{"name", "llama"}, {"bad", "\xff"}});
  out.note("a note");
  out.warning("careful");
  out.error(sample());
  EXPECT_EQ(parse_json(streams.out_text(), "stdout")["name"], "llama");
  const std::string err = streams.err_text();
  const std::size_t end = err.find('\n');
  EXPECT_EQ(parse_json(err.substr(0, end), "warning")["message"], "careful");
  const Json error = parse_json(err.substr(end + 1), "error")["error"];
  EXPECT_EQ(error["code"], "E_SERVER");
  EXPECT_EQ(error["hint"], "try later");
  EXPECT_EQ(error["retryable"], true);
  EXPECT_EQ(error["http_status"], 503);
  EXPECT_EQ(error["ref"], "req-1 req-2");
}

TEST(CliOutput, ErrorsSayWhatHintAndReference) {
  Streams streams;
  Output out({}, streams.out.get(), streams.err.get());
  out.error(sample());
  EXPECT_EQ(streams.err_text(),
            "error: put s3://b/k?[2J: the store failed (HTTP 503 SlowDown): cut off\n"
            "hint: try later\n"
            "ref: req-1 req-2\n");
}

TEST(CliOutput, BeingStoppedIsNoError) {
  Streams streams;
  Output out({}, streams.out.get(), streams.err.get());
  out.error(
      Error(Code::cancelled, "Stopped. 1 of 2 GiB are safe; run the same command to continue."));
  EXPECT_EQ(streams.err_text(),
            "Stopped. 1 of 2 GiB are safe; run the same command to continue.\n");
  EXPECT_EQ(error_json(Error(Code::cancelled, "x"))["error"]["retryable"], true);
}

TEST(CliOutput, QuietKeepsDataAndWarnings) {
  Streams streams;
  Output out({.quiet = true}, streams.out.get(), streams.err.get());
  out.line("name");
  out.note("a note");
  out.warning("careful");
  EXPECT_EQ(streams.out_text(), "name\n");
  EXPECT_EQ(streams.err_text(), "warning: careful\n");
}

TEST(CliOutput, ColoursOnlyWhereWanted) {
  Streams streams;
  EXPECT_EQ(Output({}, streams.out.get(), streams.err.get()).good("ok"), "ok");  // no terminal
  EXPECT_EQ(Output({.color = When::always}, streams.out.get(), streams.err.get()).good("ok"),
            "\x1b[32mok\x1b[0m");
  EXPECT_FALSE(wants_color(When::never, true));
}

TEST(CliOutput, AFullDiskIsAnError) {
  std::FILE* full = std::fopen("/dev/full", "w");
  ASSERT_NE(full, nullptr);
  {
    Output out({}, full, stderr);
    out.line(std::string(100'000, 'x'));
    EXPECT_THROW(out.finish(), Error);
  }
  std::fclose(full);
}

TEST(CliOutput, LogLinesAsJson) {
  const Json line = parse_json(log_json(LogLevel::warn, "warning: slow"), "log");
  EXPECT_EQ(line["type"], "log");
  EXPECT_EQ(line["level"], "warning");
  EXPECT_EQ(line["message"], "slow");
}

}  // namespace
}  // namespace dray::cli
