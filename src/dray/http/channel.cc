#include "dray/http/channel.h"

#include <fmt/format.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <optional>
#include <utility>

namespace dray::http {

namespace {

constexpr std::size_t kMaxIdle = 64;
constexpr std::chrono::milliseconds kLongestPoll{60'000};

using Clock = std::chrono::steady_clock;

/// The duration as people say it: "200 ms", "30 s".
std::string spoken(std::chrono::milliseconds duration) {
  if (duration.count() % 1000 != 0) return fmt::format("{} ms", duration.count());
  return fmt::format("{} s", duration.count() / 1000);
}

void lock_share(CURL*, curl_lock_data data, curl_lock_access, void* mutexes) {
  (*static_cast<std::array<std::mutex, CURL_LOCK_DATA_LAST>*>(mutexes))[data].lock();
}

void unlock_share(CURL*, curl_lock_data data, void* mutexes) {
  (*static_cast<std::array<std::mutex, CURL_LOCK_DATA_LAST>*>(mutexes))[data].unlock();
}

}  // namespace

SharedCache::SharedCache() : share_(curl_share_init()) {
  if (share_ == nullptr) throw std::bad_alloc();
  curl_share_setopt(share_, CURLSHOPT_LOCKFUNC, lock_share);
  curl_share_setopt(share_, CURLSHOPT_UNLOCKFUNC, unlock_share);
  curl_share_setopt(share_, CURLSHOPT_USERDATA, &mutexes_);
  curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
}

SharedCache::~SharedCache() { curl_share_cleanup(share_); }

Channel::Channel(const SharedCache& shared)
    : share_(shared.get()), multi_(curl_multi_init()), easy_(curl_easy_init()) {
  if (multi_ == nullptr || easy_ == nullptr) {
    curl_easy_cleanup(easy_);
    curl_multi_cleanup(multi_);
    throw std::bad_alloc();
  }
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 1L);
}

Channel::~Channel() {
  curl_easy_cleanup(easy_);
  curl_multi_cleanup(multi_);
}

curl_socket_t Channel::open_socket(void* self, curlsocktype, curl_sockaddr* address) {
  const int fd = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd >= 0) static_cast<Channel*>(self)->sockets_.push_back(fd);
  return fd < 0 ? CURL_SOCKET_BAD : fd;
}

int Channel::close_socket(void* self, curl_socket_t fd) {
  std::erase(static_cast<Channel*>(self)->sockets_, fd);
  return ::close(fd);
}

bool Channel::has_unread_bytes() const {
  char byte = 0;
  return !sockets_.empty() && ::recv(sockets_.back(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

std::uint64_t Channel::moved(const Exchange& exchange) const {
  if (exchange.request().body.empty() && exchange.stream() == nullptr) return exchange.received();
  curl_off_t uploaded = 0;
  curl_easy_getinfo(easy_, CURLINFO_SIZE_UPLOAD_T, &uploaded);
  // What the kernel still holds has not moved: on a slow link it may take longer than the limit to
  // leave, while libcurl has nothing more to do.
  int unsent = 0;
  if (sockets_.empty() || ::ioctl(sockets_.back(), SIOCOUTQ, &unsent) != 0) unsent = 0;
  // Time that a stream took to give bytes is not the connection's.
  return exchange.received() + exchange.given() + static_cast<std::uint64_t>(uploaded - unsent);
}

CURLcode Channel::run(const ClientOptions& options, Exchange& exchange,
                      const std::stop_token& stop) {
  const Request& request = exchange.request();
  const auto stall =
      request.stall_timeout.count() > 0 ? request.stall_timeout : options.stall_timeout;
  const Clock::time_point start = Clock::now();
  // Until the connection stands, libcurl's connect timeout rules; then every byte counts as
  // progress.
  std::optional<Clock::time_point> progress;
  std::uint64_t last_moved = 0;

  const std::stop_callback wake(stop, [this] { curl_multi_wakeup(multi_); });
  for (;;) {
    int running = 0;
    if (curl_multi_perform(multi_, &running) != CURLM_OK) return CURLE_FAILED_INIT;
    if (running == 0) {
      int left = 0;
      const CURLMsg* message = curl_multi_info_read(multi_, &left);
      return message != nullptr ? message->data.result : CURLE_FAILED_INIT;
    }
    if (stop.stop_requested()) throw exchange.error(Code::cancelled, "stopped");

    const Clock::time_point now = Clock::now();
    Clock::duration wait = kLongestPoll;
    if (request.deadline.count() > 0) {
      wait = std::min(wait, start + request.deadline - now);
      if (wait <= Clock::duration::zero())
        throw exchange.interrupted("no complete answer within " + spoken(request.deadline));
    }
    if (exchange.sent()) {
      const std::uint64_t moved_now = moved(exchange);
      if (!progress || moved_now != last_moved) progress = now;
      last_moved = moved_now;
      wait = std::min(wait, *progress + stall - now);
      if (wait <= Clock::duration::zero())
        throw exchange.interrupted(fmt::format("stalled: no byte moved for {}, after {} bytes",
                                               spoken(stall), exchange.body_received()));
    }
    const auto poll = std::chrono::ceil<std::chrono::milliseconds>(wait);
    curl_multi_poll(multi_, nullptr, 0, static_cast<int>(poll.count()), nullptr);
  }
}

void Channel::perform(const ClientOptions& options, Exchange& exchange,
                      const std::stop_token& stop) {
  if (stop.stop_requested()) throw exchange.error(Code::cancelled, "stopped");
  set_up(options, exchange);
  origin_ = exchange.request().url.origin();
  if (curl_multi_add_handle(multi_, easy_) != CURLM_OK) throw std::bad_alloc();
  CURLcode code = CURLE_OK;
  try {
    code = run(options, exchange, stop);
  } catch (...) {
    curl_multi_remove_handle(multi_, easy_);  // closes the connection: the answer is not complete
    origin_.clear();
    throw;
  }
  curl_multi_remove_handle(multi_, easy_);
  if (code != CURLE_OK) origin_.clear();
  if (exchange.failure()) throw Error(*exchange.failure());
  if (code != CURLE_OK && !exchange.cut())
    throw transport_error(code, detail_.data(), options, exchange);
  exchange.finish();
  if (exchange.failure()) throw Error(*exchange.failure());
}

std::unique_ptr<Channel> ChannelPool::take(const std::string& origin) {
  {
    const std::lock_guard lock(mutex_);
    const auto find = [&](const std::string& wanted) {
      return std::find_if(idle_.rbegin(), idle_.rend(),
                          [&](const auto& channel) { return channel->origin() == wanted; });
    };
    auto found = find(origin);
    if (found == idle_.rend()) found = find("");
    // At the limit the oldest is better turned round than thrown away later.
    if (found == idle_.rend() && idle_.size() >= kMaxIdle) --found;
    if (found != idle_.rend()) {
      std::unique_ptr<Channel> channel = std::move(*found);
      idle_.erase(std::next(found).base());
      return channel;
    }
  }
  return std::make_unique<Channel>(shared_);
}

void ChannelPool::give(std::unique_ptr<Channel> channel) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() >= kMaxIdle) {
    idle_.front().swap(channel);
    std::rotate(idle_.begin(), idle_.begin() + 1, idle_.end());
    return;  // the oldest one is closed here
  }
  idle_.push_back(std::move(channel));
}

}  // namespace dray::http
