// Where the bytes of each file come from: signed links, found once and shared by all readers of the
// file.
#pragma once

#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "dray/http/url.h"

namespace dray::hub {

/// Thread-safe. Remembers a bounded number of files; one that was dropped is simply looked up
/// again.
class Links {
 public:
  explicit Links(std::size_t capacity = 256) : capacity_(capacity) {}

  /// One reader's turn at a file: it has the link, or it is the one that must find it while others
  /// wait.
  class Turn {
   public:
    Turn(Links& links, std::string key, std::optional<http::Url> url)
        : links_(links), key_(std::move(key)), url_(std::move(url)), finding_(!url_) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    /// A search that ends without `found` lets the next waiting reader try.
    ~Turn();
    const std::optional<http::Url>& url() const { return url_; }
    /// Hands the link to the waiting readers. Does nothing when this turn did not have to find it.
    void found(const http::Url& url);
    /// The link is refused (expired): the next turn must find a new one. Does nothing where another
    /// reader has replaced it already.
    void refused();

   private:
    Links& links_;
    const std::string key_;
    const std::optional<http::Url> url_;
    bool finding_;
  };

  /// Waits while another reader is finding the link. Throws Code::cancelled when stopped.
  Turn begin(const std::string& key, const std::stop_token& stop);

  /// How the Hub states an ETag: beside a redirect, or with the content itself. A mirror may mean
  /// different things.
  enum class Tag { linked, direct };
  /// The ETag of this kind that the Hub stated for the file first; `etag` becomes it if there was
  /// none.
  std::string first_etag(const std::string& key, Tag kind, const std::string& etag);

 private:
  struct Entry {
    std::optional<http::Url> url;
    std::string linked_etag, direct_etag;
    bool finding = false;
    std::list<std::string>::iterator age;
  };
  Entry& touch(const std::string& key);

  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, Entry> entries_;  // guarded by mutex_
  std::list<std::string> ages_;           // least recently used first; guarded by mutex_
};

}  // namespace dray::hub
