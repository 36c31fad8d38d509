#include "dray/registry/write_queue.h"

#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>
#include <vector>

#include "dray/base/error.h"
#include "tests/support/temp_folder.h"

namespace dray::sqlite {
namespace {

class WriteQueueTest : public testing::Test {
 protected:
  WriteQueueTest() {
    database_.write_ahead();
    database_.execute("CREATE TABLE word (text TEXT UNIQUE)");
  }
  static void add(Connection& connection, const std::string& word) {
    const auto insert = connection.prepared("INSERT INTO word VALUES (?)");
    insert->bind(word).run();
  }
  std::string words() {
    Statement list(database_,
                   "SELECT group_concat(text, ' ') FROM (SELECT text FROM word "
                   "ORDER BY text)");
    return list.step() ? list.text(0) : "";
  }
  /// How often the file was committed to.
  std::int64_t commits() {
    Statement version(database_, "PRAGMA data_version");
    return version.step() ? version.integer(0) : -1;
  }

  test::TempFolder folder_;
  std::filesystem::path path_ = folder_.path() / "words.db";
  Database database_ = Database::open(path_);
};

TEST_F(WriteQueueTest, WritesAreThereWhenTheCallReturns) {
  WriteQueue queue(path_);
  queue.run([](Connection& c) { add(c, "a"); }, {});
  EXPECT_EQ(words(), "a");
}

TEST_F(WriteQueueTest, AFailedWriteLeavesNothingAndHarmsNoOther) {
  WriteQueue queue(path_);
  queue.run([](Connection& c) { add(c, "a"); }, {});
  EXPECT_THROW(queue.run(
                   [](Connection& c) {
                     add(c, "b");
                     add(c, "a");  // is there
                   },
                   {}),
               Error);
  EXPECT_THROW(queue.run(
                   [](Connection& c) {
                     add(c, "c");
                     throw Error(Code::precondition, "no");
                   },
                   {}),
               Error);
  queue.run([](Connection& c) { add(c, "d"); }, {});
  EXPECT_EQ(words(), "a d");
}

TEST_F(WriteQueueTest, WhatWaitsTogetherIsCommittedTogether) {
  // While another connection holds the file, writes gather; one of them fails.
  WriteQueue queue(path_);
  const std::int64_t before = commits();
  std::vector<std::future<void>> waiting;
  {
    auto other = Database::open(path_);
    const Transaction held(other);
    for (const char* word : {"a", "b", "c", "a", "d"})
      waiting.push_back(std::async(std::launch::async, [&queue, word] {
        queue.run([word](Connection& c) { add(c, word); }, {});
      }));
  }
  int failed = 0;
  for (auto& write : waiting) {
    try {
      write.get();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::conflict);
      ++failed;
    }
  }
  EXPECT_EQ(failed, 1);
  EXPECT_EQ(words(), "a b c d");
  EXPECT_GT(commits(), before);
}

TEST_F(WriteQueueTest, AWriteThatWaitsCanBeGivenUp) {
  WriteQueue queue(path_);
  std::stop_source stop;
  {
    auto other = Database::open(path_);
    const Transaction held(other);
    std::jthread stopper([&stop] { stop.request_stop(); });
    try {
      queue.run([](Connection& c) { add(c, "a"); }, stop.get_token());
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::cancelled);
    }
  }
  queue.run([](Connection& c) { add(c, "b"); }, {});
  EXPECT_EQ(words(), "b") << "what was given up was not written later";
}

TEST_F(WriteQueueTest, EndsWhileAnotherHoldsTheFile) {
  auto other = Database::open(path_);
  const Transaction held(other);
  std::stop_source stop;
  {
    WriteQueue queue(path_);
    auto write = std::async(std::launch::async, [&] {
      EXPECT_THROW(queue.run([](Connection& c) { add(c, "a"); }, stop.get_token()), Error);
    });
    stop.request_stop();
    write.get();
  }
  EXPECT_EQ(words(), "");
}

}  // namespace
}  // namespace dray::sqlite
