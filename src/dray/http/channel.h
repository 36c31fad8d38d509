// libcurl handles, each with its own kept-alive connection, and the pool they wait in. Private to
// this room.
#pragma once

#include <curl/curl.h>

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dray/http/client.h"
#include "dray/http/exchange.h"

namespace dray::http {

/// What all channels of a client share: the cache of resolved names.
class SharedCache {
 public:
  SharedCache();
  ~SharedCache();
  SharedCache(const SharedCache&) = delete;
  SharedCache& operator=(const SharedCache&) = delete;
  CURLSH* get() const { return share_; }

 private:
  CURLSH* share_ = nullptr;
  std::array<std::mutex, CURL_LOCK_DATA_LAST> mutexes_;
};

/// One transfer at a time, by one thread at a time. It has a multi handle of its own because that
/// is what can be woken by another thread while it waits, and what keeps the connection afterwards.
class Channel {
 public:
  explicit Channel(const SharedCache& shared);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Sends the request of `exchange` and feeds the answer to it. Throws as Client::send says.
  void perform(const ClientOptions& options, Exchange& exchange, const std::stop_token& stop);
  /// Where its kept connection leads (Url::origin); "" where it has none.
  const std::string& origin() const { return origin_; }

 private:
  CURLcode run(const ClientOptions& options, Exchange& exchange, const std::stop_token& stop);
  void set_up(const ClientOptions& options, Exchange& exchange);
  void set_up_method(Exchange& exchange);
  void set_up_tls(const ClientOptions& options);
  void set_up_headers(const ClientOptions& options, const Request& request);
  template <typename Value>
  void set(CURLoption option, Value value);
  static curl_socket_t open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int close_socket(void* self, curl_socket_t fd);
  /// Whether the kept connection holds bytes that nobody asked for: the rest of an answer that was
  /// longer than it said. libcurl would take them for the beginning of the next answer.
  bool has_unread_bytes() const;
  /// Bytes that moved in either direction so far.
  std::uint64_t moved(const Exchange& exchange) const;

  struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };

  CURLSH* const share_;
  CURLM* multi_ = nullptr;
  CURL* easy_ = nullptr;
  std::unique_ptr<curl_slist, FreeList> fields_;
  std::array<char, CURL_ERROR_SIZE> detail_{};
  std::string origin_;
  std::vector<curl_socket_t> sockets_;  // open ones, newest last
};

/// Idle channels; the last one used goes out first, so that few connections stay warm. Thread-safe.
class ChannelPool {
 public:
  /// Prefers a channel that is connected to `origin`.
  std::unique_ptr<Channel> take(const std::string& origin);
  void give(std::unique_ptr<Channel> channel);

 private:
  SharedCache shared_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Channel>> idle_;
};

/// The error for a transfer that libcurl ended with `code`; `detail` is its own text.
Error transport_error(CURLcode code, const std::string& detail, const ClientOptions& options,
                      const Exchange& exchange);

}  // namespace dray::http
