#include "dray/base/run_program.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <thread>

#include "dray/base/file.h"
#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"

namespace dray {
namespace {

using test::error_of;

class RunProgram : public ::testing::Test {
 protected:
  std::string script(const std::string& text) {
    const auto path = folder_.path() / ("tool" + std::to_string(++count_));
    write_file_atomic(path, "#!/bin/sh\n" + text, 0755);
    return path.string();
  }
  test::TempFolder folder_;
  int count_ = 0;
};

TEST_F(RunProgram, ReadsItsInputAndGetsItsWordsAsTheyAre) {
  const auto result =
      run_program({script("printf '%s|%s|' \"$1\" \"$2\"; cat; exit 7\n"), "a b", "$HOME"},
                  {.input = "given\n"}, {});
  EXPECT_EQ(result.status, 7);
  EXPECT_EQ(result.output.reveal(), "a b|$HOME|given\n");
  EXPECT_EQ(run_program({script("cat\n")}, {}, {}).output.reveal(), "");
  EXPECT_EQ(run_program({script("kill -9 $$\n")}, {}, {}).status, -1);
}

TEST_F(RunProgram, OneThatReadsNothingHarmsNobody) {
  // What is written to one that is gone fails, or ends this process.
  const auto result =
      run_program({script("exec 0<&-; echo done\n")}, {.input = std::string(4096, 'x')}, {});
  EXPECT_EQ(result.output.reveal(), "done\n");
}

TEST_F(RunProgram, WhatCannotBeRun) {
  const std::string missing = (folder_.path() / "missing").string();
  const Error error = error_of([&] { run_program({missing}, {}, {}); });
  EXPECT_EQ(error.code(), Code::not_found);
  EXPECT_NE(std::string(error.what()).find(missing), std::string::npos);
  write_file_atomic(folder_.path() / "plain", "text", 0644);
  EXPECT_EQ(error_of([&] { run_program({(folder_.path() / "plain").string()}, {}, {}); }).code(),
            Code::storage);
}

TEST_F(RunProgram, LimitsOfOutputAndTime) {
  const std::string talks = script("echo SECRET; head -c 100 /dev/zero; exec sleep 600\n");
  const Error much = error_of([&] { run_program({talks}, {.output_limit = 50}, {}); });
  EXPECT_EQ(much.code(), Code::malformed);
  EXPECT_EQ(std::string(much.what()).find("SECRET"), std::string::npos);
  const std::string hangs = script("exec sleep 600\n");
  const RunOptions at_once{.time_limit = std::chrono::seconds(0)};
  EXPECT_EQ(error_of([&] { run_program({hangs}, at_once, {}); }).code(), Code::network);
  // Closing the output is not the end.
  const std::string silent = script("exec 1>&-; exec sleep 600\n");
  EXPECT_EQ(error_of([&] { run_program({silent}, at_once, {}); }).code(), Code::network);
}

TEST_F(RunProgram, IsEndedWhenStopped) {
  for (const char* prelude : {"", "exec 1>&-; "}) {
    const auto mark = folder_.path() / ("runs" + std::to_string(count_));
    const std::string tool = script(prelude + ("touch '" + mark.string() + "'; exec sleep 600\n"));
    std::stop_source source;
    std::jthread stopper([&] {
      while (!std::filesystem::exists(mark)) std::this_thread::yield();
      std::stop_source(source).request_stop();
    });
    EXPECT_EQ(error_of([&] { run_program({tool}, {}, source.get_token()); }).code(),
              Code::cancelled);
  }
}

TEST_F(RunProgram, IsFoundInAbsoluteFoldersOfThePath) {
  const auto first = folder_.path() / "first", second = folder_.path() / "second";
  write_file_atomic(first / "tool", "not to be run", 0644);
  write_file_atomic(second / "tool", "#!/bin/sh\n", 0755);
  std::filesystem::create_directories(first / "folder");
  const std::string path = ":." + (":" + first.string()) + "::" + second.string() + ":";
  EXPECT_EQ(find_program("tool", path), second / "tool");
  EXPECT_EQ(find_program("folder", path), std::nullopt);
  EXPECT_EQ(find_program("tool", ""), std::nullopt);
  const auto relative = std::filesystem::relative(second);
  EXPECT_EQ(find_program("tool", relative.string()), std::nullopt);
}

}  // namespace
}  // namespace dray
