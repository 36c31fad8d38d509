#include "dray/http/server_watch.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace dray::http {

namespace {

// How late a cut may come.
constexpr std::chrono::milliseconds kStep{100};

}  // namespace

ConnectionWatch::ConnectionWatch(std::size_t most)
    : most_(most), thread_([this](const std::stop_token& stop) { run(stop); }) {}

WatchedConnection* ConnectionWatch::opened(int fd, std::string client) {
  auto connection = std::make_unique<WatchedConnection>(fd, std::move(client));
  auto* const raw = connection.get();
  const std::lock_guard lock(mutex_);
  connections_.push_back(std::move(connection));
  if (connections_.size() >= most_) make_room();
  changed_.notify_one();
  return raw;
}

void ConnectionWatch::closed(WatchedConnection* connection) {
  const std::lock_guard lock(mutex_);
  connections_.remove_if([connection](const auto& other) { return other.get() == connection; });
}

void ConnectionWatch::make_room() {
  WatchedConnection* longest = nullptr;
  for (const auto& connection : connections_) {
    if (connection.get() == connections_.back().get()) break;  // the one that has just come
    if (!connection->waiting_) continue;
    if (longest == nullptr || connection->deadline_ < longest->deadline_)
      longest = connection.get();
  }
  if (longest == nullptr) return;
  ::shutdown(longest->fd_, SHUT_RDWR);
  longest->waiting_ = false;  // cut once
}

void ConnectionWatch::cut_late() {
  const auto now = WatchedConnection::Clock::now().time_since_epoch().count();
  for (const auto& connection : connections_) {
    if (connection->deadline_.load(std::memory_order_relaxed) > now) continue;
    ::shutdown(connection->fd_, SHUT_RDWR);
    connection->work();  // cut once
  }
}

void ConnectionWatch::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    cut_late();
    if (connections_.empty())
      changed_.wait(lock, stop, [this] { return !connections_.empty(); });
    else
      changed_.wait_for(lock, stop, kStep, [] { return false; });
  }
}

}  // namespace dray::http
