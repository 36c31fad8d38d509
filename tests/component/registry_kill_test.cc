// A process that writes to the registry is killed at random moments: what it was told is written
// must be there, and the file must be whole.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "dray/base/json.h"
#include "dray/registry/records.h"
#include "tests/support/random.h"
#include "tests/support/temp_folder.h"

namespace dray {
namespace {

constexpr int kAcknowledged = 500, kWriters = 4;

/// Creates models and changes them until it is killed; each id goes to the pipe when its write has
/// been acknowledged. Short writes to a pipe are whole.
[[noreturn]] void write_until_killed(const std::filesystem::path& path, int pipe, int round) {
  Records records(path);
  const auto write = [&](int writer) {
    for (int i = 0;; ++i) {
      const std::string name =
          std::to_string(round) + "-" + std::to_string(writer) + "-" + std::to_string(i);
      const Json made = Json::parse(
          records.create(Kind::registered_model, "", R"({"name":")" + name + "\"}").document);
      records.update(Kind::registered_model, made["id"].get<std::string>(), R"({"owner":"me"})");
      const std::string line = made["id"].get<std::string>() + " " + name + "\n";
      if (::write(pipe, line.data(), line.size()) < 0) ::_exit(1);
    }
  };
  std::vector<std::jthread> threads;
  for (int writer = 1; writer < kWriters; ++writer) threads.emplace_back(write, writer);
  write(0);
  ::_exit(0);
}

/// Reads until `lines` have come, then kills and reads what was still under way.
std::string acknowledged_before_kill(pid_t child, int pipe, std::int64_t lines) {
  std::string out;
  char buffer[4096];
  for (bool killed = false;;) {
    const ssize_t got = ::read(pipe, buffer, sizeof buffer);
    if (got <= 0) break;
    out.append(buffer, static_cast<std::size_t>(got));
    if (!killed && std::count(out.begin(), out.end(), '\n') >= lines) {
      ::kill(child, SIGKILL);
      killed = true;
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "it ended by itself";
  return out;
}

TEST(RegistryKill, NoAcknowledgedWriteIsLost) {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
  GTEST_SKIP() << "ThreadSanitizer does not follow a process that forks and then starts threads";
#endif
#endif
  const test::TempFolder folder;
  const auto path = folder.path() / "registry.db";
  auto random = test::generator();
  int checked = 0;
  for (int round = 0; checked < kAcknowledged; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(pipe[0]);
      write_until_killed(path, pipe[1], round);
    }
    ::close(pipe[1]);
    const std::string lines =
        acknowledged_before_kill(child, pipe[0], 1 + static_cast<std::int64_t>(random() % 60));
    ::close(pipe[0]);

    const Records records(path);
    records.check();
    for (std::size_t at = 0; at < lines.size();) {
      const auto space = lines.find(' ', at), end = lines.find('\n', at);
      const Json model =
          Json::parse(records.get(Kind::registered_model, lines.substr(at, space - at)));
      EXPECT_EQ(model["name"], lines.substr(space + 1, end - space - 1));
      EXPECT_EQ(model["owner"], "me");
      at = end + 1;
      ++checked;
    }
  }
}

}  // namespace
}  // namespace dray
