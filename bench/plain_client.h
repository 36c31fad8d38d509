// An HTTP client that does nothing beyond its requests: what the floors are made of.
#pragma once

#include <curl/curl.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "dray/base/bytes.h"

namespace dray::bench {

inline constexpr long kCurlBuffer = 256 << 10;  // as dray's channels have

/// What stands between the two texts; throws if there is no `from`.
inline std::string between(std::string_view text, std::string_view from, std::string_view to) {
  const auto start = text.find(from);
  if (start == text.npos) throw std::runtime_error("no " + std::string(from) + " in an answer");
  text.remove_prefix(start + from.size());
  return std::string(text.substr(0, text.find(to)));
}

/// One easy handle, and with it its connections, kept for the life of a thread.
class Client {
 public:
  Client() : easy_(curl_easy_init()) {}
  ~Client() { curl_easy_cleanup(easy_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void get(const std::string& url, ByteRange range, std::byte* out) {
    start(url);
    out_ = out;
    room_ = range.length;
    const std::string text = std::to_string(range.offset) + "-" + std::to_string(range.end() - 1);
    set(CURLOPT_RANGE, text.c_str());
    set(CURLOPT_WRITEFUNCTION, take);
    set(CURLOPT_WRITEDATA, this);
    perform(url);
    if (room_ != 0) throw std::runtime_error("a short answer from " + url);
  }

  /// Returns the head and the body of the answer.
  std::string send(const char* method, const std::string& url, Bytes body,
                   const char* content_type = nullptr) {
    return send(
        method, url, body.size(), [rest = body]() mutable { return std::exchange(rest, {}); },
        content_type);
  }

  /// The body in pieces, each good until the next is asked for; an empty one is the end.
  std::string send(const char* method, const std::string& url, std::uint64_t size,
                   std::function<Bytes()> next, const char* content_type = nullptr) {
    start(url);
    next_ = std::move(next);
    body_ = {};
    set(CURLOPT_CUSTOMREQUEST, method);
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(size));
    set(CURLOPT_UPLOAD_BUFFERSIZE, kCurlBuffer);
    set(CURLOPT_READFUNCTION, give);
    set(CURLOPT_READDATA, this);
    set(CURLOPT_HEADER, 1L);
    set(CURLOPT_WRITEFUNCTION, note);
    set(CURLOPT_WRITEDATA, this);
    std::unique_ptr<curl_slist, void (*)(curl_slist*)> typed{nullptr, curl_slist_free_all};
    if (content_type != nullptr) {
      typed.reset(curl_slist_append(nullptr, "Expect:"));
      curl_slist_append(typed.get(), (std::string("Content-Type: ") + content_type).c_str());
      set(CURLOPT_HTTPHEADER, typed.get());
    }
    perform(url);
    return std::move(answer_);
  }

 private:
  static std::size_t take(char* data, std::size_t, std::size_t n, void* self) {
    auto& client = *static_cast<Client*>(self);
    if (n > client.room_) return 0;
    std::memcpy(client.out_, data, n);
    client.out_ += n;
    client.room_ -= n;
    return n;
  }
  static std::size_t note(char* data, std::size_t, std::size_t n, void* self) {
    static_cast<Client*>(self)->answer_.append(data, n);
    return n;
  }
  static std::size_t give(char* out, std::size_t, std::size_t n, void* self) {
    auto& client = *static_cast<Client*>(self);
    Bytes& body = client.body_;
    if (body.empty()) body = client.next_();
    n = std::min(n, body.size());
    std::memcpy(out, body.data(), n);
    body = body.subspan(n);
    return n;
  }

  template <typename Value>
  void set(CURLoption option, Value value) {
    if (curl_easy_setopt(easy_, option, value) != CURLE_OK)
      throw std::runtime_error("libcurl refused an option");
  }

  void start(const std::string& url) {
    curl_easy_reset(easy_);
    answer_.clear();
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_FAILONERROR, 1L);
    set(CURLOPT_BUFFERSIZE, kCurlBuffer);
    set(CURLOPT_HTTPHEADER, no_expect_.get());
  }

  void perform(const std::string& url) {
    const CURLcode code = curl_easy_perform(easy_);
    if (code != CURLE_OK) throw std::runtime_error(url + ": " + curl_easy_strerror(code));
  }

  CURL* const easy_;
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> no_expect_{
      curl_slist_append(nullptr, "Expect:"), curl_slist_free_all};
  std::byte* out_ = nullptr;
  std::uint64_t room_ = 0;
  Bytes body_;
  std::function<Bytes()> next_;
  std::string answer_;
};

}  // namespace dray::bench
