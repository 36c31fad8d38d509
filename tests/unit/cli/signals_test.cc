#include "dray/cli/signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>

namespace dray::cli {
namespace {

/// Set once, waited for.
class Flag {
 public:
  void set() {
    const std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

TEST(CliSignals, TheFirstOneAsksToStop) {
  for (const int signal : {SIGINT, SIGTERM}) {
    Flag told;
    Signals signals([&] { told.set(); });
    EXPECT_FALSE(signals.stop().stop_requested());
    EXPECT_EQ(signals.received(), 0);
    raise(signal);
    EXPECT_TRUE(told.wait());
    EXPECT_TRUE(signals.stop().stop_requested());
    EXPECT_EQ(signals.received(), signal);
  }
}

TEST(CliSignals, Usr1TellsAndDoesNotStop) {
  Flag told;
  Signals signals(nullptr);
  signals.on_state([&] { told.set(); });
  raise(SIGUSR1);
  EXPECT_TRUE(told.wait());
  EXPECT_FALSE(signals.stop().stop_requested());
  signals.on_state(nullptr);
  raise(SIGUSR1);  // nobody to tell: no harm
}

TEST(CliSignals, FormerHandlersAreBackAfterwards) {
  struct sigaction before{};
  sigaction(SIGTERM, nullptr, &before);
  {
    Signals signals(nullptr);
  }
  struct sigaction after{};
  sigaction(SIGTERM, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

/// Exit status of a child that gets these signals in turn and then hangs.
int status_after(std::initializer_list<int> sent) {
  int ready[2];
  EXPECT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    {
      struct sigaction standard{};
      standard.sa_handler = SIG_DFL;
      sigaction(SIGINT, &standard, nullptr);  // the test may run with it ignored
    }
    Signals signals([&] { (void)!write(ready[1], "s", 1); });
    (void)!write(ready[1], "r", 1);
    alarm(10);
    for (;;) pause();
  }
  char byte = 0;
  EXPECT_EQ(read(ready[0], &byte, 1), 1);
  std::size_t left = sent.size();
  for (const int signal : sent) {
    kill(child, signal);
    // Signals of one kind that come at once are one.
    if (--left > 0) {
      EXPECT_EQ(read(ready[0], &byte, 1), 1);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  close(ready[0]);
  close(ready[1]);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(CliSignals, TheSecondOneEndsAtOnce) {
  EXPECT_EQ(status_after({SIGINT, SIGINT}), 130);
  EXPECT_EQ(status_after({SIGTERM, SIGTERM}), 143);
  EXPECT_EQ(status_after({SIGTERM, SIGINT}), 130);
}

}  // namespace
}  // namespace dray::cli
