#include "dray/cli/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <thread>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/file.h"

namespace dray::cli {

namespace {

// All that a handler may touch: lock-free atomics and a pipe.
std::atomic<int> g_pipe{-1};
std::atomic<int> g_first_stop{0};
static_assert(std::atomic<int>::is_always_lock_free);

void handle(int signal) {
  const int saved = errno;
  if (signal == SIGINT || signal == SIGTERM) {
    int none = 0;
    if (!g_first_stop.compare_exchange_strong(none, signal)) _exit(128 + signal);
  }
  const char byte = signal == SIGUSR1 ? 'u' : 's';
  const int fd = g_pipe.load();
  // A full pipe already says enough.
  if (fd >= 0) (void)!write(fd, &byte, 1);
  errno = saved;
}

}  // namespace

struct Signals::Impl {
  std::function<void()> on_stop;
  std::stop_source source;
  std::mutex mutex;
  std::function<void()> tell;
  Fd read_end, write_end;
  struct sigaction before[4] = {};
  std::jthread thread;

  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGUSR1, SIGPIPE};

  void watch() {
    for (;;) {
      char byte = 0;
      const ssize_t got = read(read_end.get(), &byte, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0 || byte == 'q') return;
      if (byte == 's') {
        source.request_stop();
        if (on_stop) on_stop();
      } else {
        const std::lock_guard lock(mutex);
        if (tell) tell();
      }
    }
  }
};

Signals::Signals(std::function<void()> on_stop) : impl_(std::make_unique<Impl>()) {
  impl_->on_stop = std::move(on_stop);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw_errno("make", "a pipe for signals");
  impl_->read_end = Fd(ends[0]);
  impl_->write_end = Fd(ends[1]);
  // Only the handlers' end must never block.
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  g_first_stop = 0;
  g_pipe = ends[1];
  impl_->thread = std::jthread([impl = impl_.get()] { impl->watch(); });
  for (std::size_t i = 0; i < std::size(Impl::kSignals); ++i) {
    struct sigaction action{};
    action.sa_handler = Impl::kSignals[i] == SIGPIPE ? SIG_IGN : handle;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(Impl::kSignals[i], &action, &impl_->before[i]);
    // nohup and shells without job control start us with SIGINT ignored: leave that so.
    if (Impl::kSignals[i] == SIGINT && impl_->before[i].sa_handler == SIG_IGN)
      sigaction(SIGINT, &impl_->before[i], nullptr);
  }
}

Signals::~Signals() {
  for (std::size_t i = 0; i < std::size(Impl::kSignals); ++i)
    sigaction(Impl::kSignals[i], &impl_->before[i], nullptr);
  g_pipe = -1;
  const char quit = 'q';
  while (write(impl_->write_end.get(), &quit, 1) < 0 && errno == EAGAIN) std::this_thread::yield();
  impl_->thread.join();
}

std::stop_token Signals::stop() const { return impl_->source.get_token(); }

void Signals::on_state(std::function<void()> tell) {
  const std::lock_guard lock(impl_->mutex);
  impl_->tell = std::move(tell);
}

int Signals::received() const { return g_first_stop.load(); }

}  // namespace dray::cli
