#include "dray/base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <thread>
#include <vector>

#include "dray/base/error.h"
#include "tests/support/random.h"
#include "tests/support/temp_folder.h"

namespace dray {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  test::TempFolder temp_;
  const fs::path& folder_ = temp_.path();
};

template <typename F>
Code code_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.side(), Side::local);
    return e.code();
  }
  ADD_FAILURE() << "no error";
  return Code::internal;
}

TEST_F(FileTest, WritesAndReadsWhole) {
  const fs::path path = folder_ / "a" / "b" / "c.json";
  EXPECT_EQ(read_file(path), std::nullopt);
  write_file_atomic(path, "one");
  EXPECT_EQ(read_file(path), "one");
  write_file_atomic(path, "");
  EXPECT_EQ(read_file(path), "");
  const Buffer big = test::pattern(300'000, 1);
  write_file_atomic(path, as_text(big));
  EXPECT_EQ(read_file(path), as_text(big));
}

TEST_F(FileTest, KeepsTheOldContentAndNoLeftoverWhenItCannotReplace) {
  // A folder that is not empty stands where the file should go: everything works but the rename.
  fs::create_directories(folder_ / "x" / "y");
  EXPECT_EQ(code_of([&] { write_file_atomic(folder_ / "x", "new"); }), Code::storage);
  EXPECT_EQ(entries(), 1U);
  EXPECT_TRUE(fs::exists(folder_ / "x" / "y"));
}

TEST_F(FileTest, GivesTheModeAskedFor) {
  const mode_t before = ::umask(022);
  write_file_atomic(folder_ / "secret", "x", 0600);
  write_file_atomic(folder_ / "public", "x", 0666);
  ::umask(before);
  struct stat info{};
  ASSERT_EQ(::stat((folder_ / "secret").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  ASSERT_EQ(::stat((folder_ / "public").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0644U);
}

TEST_F(FileTest, TakesNamesOfFullLength) {
  const fs::path path = folder_ / std::string(255, 'n');
  write_file_atomic(path, "x");
  EXPECT_EQ(read_file(path), "x");
}

TEST_F(FileTest, ConcurrentWritersLeaveOneWholeContent) {
  const fs::path path = folder_ / "shared";
  {
    std::vector<std::jthread> threads;
    for (char c = 'a'; c < 'e'; ++c)
      threads.emplace_back([&path, c] {
        for (int i = 0; i < 5; ++i) write_file_atomic(path, std::string(50'000, c));
      });
  }
  const std::string content = *read_file(path);
  EXPECT_EQ(content, std::string(50'000, content.at(0)));
  EXPECT_EQ(entries(), 1U);
}

TEST_F(FileTest, ReadsUpToTheLimit) {
  write_file_atomic(folder_ / "f", "12345");
  EXPECT_EQ(read_file(folder_ / "f", 5), "12345");
  EXPECT_EQ(code_of([&] { read_file(folder_ / "f", 4); }), Code::malformed);
  EXPECT_EQ(code_of([] { read_file("/dev/zero", 1 << 20); }), Code::malformed);
}

TEST_F(FileTest, TellsAbsentFromUnreadable) {
  write_file_atomic(folder_ / "f", "x");
  EXPECT_EQ(read_file(folder_ / "f" / "below-a-file"), std::nullopt);
  EXPECT_EQ(code_of([&] { read_file(folder_); }), Code::storage);
  EXPECT_EQ(code_of([&] { write_file_atomic(folder_ / "f" / "g", "x"); }), Code::storage);
}

TEST_F(FileTest, ReadsAndWritesExactRanges) {
  const Fd fd(::open((folder_ / "f").c_str(), O_RDWR | O_CREAT, 0644));
  ASSERT_TRUE(fd);
  pwrite_exact(fd.get(), 3, as_bytes("def"), "f");
  pwrite_exact(fd.get(), 0, as_bytes("abc"), "f");
  Buffer out(4);
  pread_exact(fd.get(), 1, out, "f");
  EXPECT_EQ(as_text(out), "bcde");
  EXPECT_EQ(code_of([&] { pread_exact(fd.get(), 3, out, "f"); }), Code::malformed)
      << "one byte short";
  EXPECT_EQ(code_of([&] { pread_exact(fd.get(), 100, out, "f"); }), Code::malformed);
  pread_exact(fd.get(), 6, {}, "f");
  EXPECT_EQ(code_of([&] { pread_exact(-1, 0, out, "f"); }), Code::storage);
}

TEST_F(FileTest, AFullDiskIsNamedWithANextStep) {
  const Fd full(::open("/dev/full", O_WRONLY));
  if (!full) GTEST_SKIP() << "no /dev/full";
  try {
    pwrite_exact(full.get(), 0, as_bytes("x"), "the file");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::storage);
    EXPECT_EQ(e.object(), "the file");
    EXPECT_NE(e.hint(), "");
  }
}

TEST_F(FileTest, FdClosesOnceAndMoves) {
  Fd a(::open(folder_.c_str(), O_RDONLY));
  const int number = a.get();
  Fd b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): a moved-from Fd is empty
  EXPECT_EQ(b.get(), number);
  b = Fd();
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
  EXPECT_EQ(errno, EBADF);
}

class HomeTest : public testing::Test {
 protected:
  HomeTest() {
    for (const char* name : kNames) before_.push_back(env(name));
  }
  ~HomeTest() override {
    for (std::size_t i = 0; i < before_.size(); ++i) {
      if (before_[i])
        ::setenv(kNames[i], before_[i]->c_str(), 1);
      else
        ::unsetenv(kNames[i]);
    }
  }
  static constexpr const char* kNames[] = {"HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME",
                                           "XDG_CONFIG_HOME"};
  std::vector<std::optional<std::string>> before_;
};

TEST_F(HomeTest, FoldersFollowTheEnvironment) {
  ::setenv("HOME", "/home/someone", 1);
  ::setenv("XDG_DATA_HOME", "/data", 1);
  ::setenv("XDG_CACHE_HOME", "relative/is/ignored", 1);
  ::setenv("XDG_CONFIG_HOME", "", 1);
  EXPECT_EQ(data_folder(), "/data/dray");
  EXPECT_EQ(cache_folder(), "/home/someone/.cache/dray");
  EXPECT_EQ(config_folder(), "/home/someone/.config/dray");
}

TEST_F(HomeTest, TildeIsExpandedInFrontOnly) {
  ::setenv("HOME", "/home/someone", 1);
  EXPECT_EQ(expand_home("~"), "/home/someone");
  EXPECT_EQ(expand_home("~/x/y"), "/home/someone/x/y");
  EXPECT_EQ(expand_home("~other/x"), "~other/x");
  EXPECT_EQ(expand_home("/a/~/b"), "/a/~/b");
}

TEST_F(HomeTest, WithoutHomeThePasswordDatabaseIsAsked) {
  ::unsetenv("HOME");
  EXPECT_TRUE(home_folder().is_absolute());
}

}  // namespace
}  // namespace dray
