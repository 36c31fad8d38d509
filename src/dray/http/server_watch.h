// Deadlines of a server's connections: what trickles is cut, however often a byte comes.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

namespace dray::http {

/// One connection. Its own thread moves it from phase to phase; the watch only reads.
class WatchedConnection {
 public:
  WatchedConnection(int fd, std::string client) : fd_(fd), client_(std::move(client)) {}

  void wait_for_request(std::chrono::milliseconds limit) { set(limit, true); }
  void read_body(std::chrono::milliseconds limit) { set(limit, false); }
  /// Our own work: the client cannot help it.
  void work() { deadline_.store(kNever, std::memory_order_relaxed); }
  /// A client that takes the answer slower than 1 KiB/s on average is cut.
  void answer(std::uint64_t bytes) {
    set(std::chrono::seconds(60) + std::chrono::milliseconds(bytes), false);
  }

  int fd() const { return fd_; }
  const std::string& client() const { return client_; }

 private:
  friend class ConnectionWatch;
  using Clock = std::chrono::steady_clock;
  static constexpr Clock::rep kNever = Clock::duration::max().count();
  void set(std::chrono::milliseconds limit, bool waiting) {
    waiting_.store(waiting, std::memory_order_relaxed);
    deadline_.store((Clock::now() + limit).time_since_epoch().count(), std::memory_order_relaxed);
  }

  const int fd_;
  const std::string client_;
  std::atomic<bool> waiting_ = true;  // for a request
  std::atomic<Clock::rep> deadline_ = kNever;
};

/// Shuts down the sockets of connections that are past their deadline; whoever reads from them
/// finds the end. Thread-safe.
class ConnectionWatch {
 public:
  /// Where `most` connections are there, a new one takes the place of the one that has waited
  /// longest for a request.
  explicit ConnectionWatch(std::size_t most);
  ConnectionWatch(const ConnectionWatch&) = delete;
  ConnectionWatch& operator=(const ConnectionWatch&) = delete;

  /// `fd` must stay open until `closed`.
  WatchedConnection* opened(int fd, std::string client);
  void closed(WatchedConnection* connection);

 private:
  void run(const std::stop_token& stop);
  void cut_late();
  void make_room();

  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::list<std::unique_ptr<WatchedConnection>> connections_;
  std::jthread thread_;  // last: uses the rest
};

}  // namespace dray::http
