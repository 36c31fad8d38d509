// The sending half of the client. Private to this room.
#pragma once

#include <atomic>
#include <mutex>

#include "dray/http/client.h"
#include "dray/s3/client.h"
#include "dray/s3/errors.h"
#include "dray/s3/xml.h"

namespace dray::s3 {

/// One request, before it is signed.
struct Call {
  std::string method = "GET", verb;
  std::string key;       // "" = the bucket itself
  bool service = false;  // about no bucket, but the service
  Query query;
  http::Headers headers;
  Bytes body;
  bool sign_body = true;   // false: UNSIGNED-PAYLOAD, for data
  bool repeatable = true;  // doing it twice is the same as once: a lost answer is transient
  bool sign = true;
  std::chrono::milliseconds patience{0};
  std::uint64_t limit = 32 * kMiB;  // of a successful answer's body
  const http::RangeInto* into = nullptr;
};

struct Client::Impl {
  explicit Impl(ClientOptions given);

  /// Sends, with the three corrections (clock, credentials, region). Any final status is returned.
  http::Response exchange(const Call& call, const std::stop_token& stop);
  /// As exchange(), but what is not 2xx is thrown.
  http::Response succeed(const Call& call, const std::stop_token& stop);
  /// Repeats `work` by the policy.
  template <typename Work>
  auto retried(const std::stop_token& stop, Work work) {
    http::Retrier retrier(options.retry);
    while (true) {
      try {
        return work();
      } catch (const Error& e) {
        retrier.failed(e, stop);
      }
    }
  }
  http::Response succeed_retried(const Call& call, const std::stop_token& stop) {
    return retried(stop, [&] { return succeed(call, stop); });
  }

  std::string uri(std::string_view key) const;
  Endpoint current_endpoint() const;
  UnixTime now() const { return options.now() + clock_offset_; }
  Error failure(const Call& call, const ServiceError& error, const http::Response& response) const;
  /// An answer that says success and makes no sense; `ambiguous` unless the call is repeatable.
  Error nonsense(const Call& call, std::string message) const;
  /// The document of a successful answer. An <Error> in it is thrown; so is one cut short, by the
  /// rule of `nonsense`.
  XmlNode document(const Call& call, const http::Response& response, std::string_view root) const;
  std::string required_etag(const Call& call, const http::Response& response) const;
  std::optional<std::vector<PartInfo>> parts_page(const std::string& key, const std::string& id,
                                                  std::string& marker, const std::stop_token& stop);

  const ClientOptions options;
  http::Client http;

 private:
  struct Attempt {
    http::Response response;
    std::shared_ptr<const Credentials> credentials;
    Endpoint endpoint;
    UnixTime signed_at = 0;
  };
  Attempt send(const Call& call, const std::stop_token& stop);
  bool correct_clock(const Call& call, const Attempt& attempt, const ServiceError& error);
  bool renew_credentials(const Call& call, const Attempt& attempt, const ServiceError& error,
                         const std::stop_token& stop);
  bool learn_region(const Call& call, const Attempt& attempt, const ServiceError& error,
                    const std::stop_token& stop);
  std::string ask_region(const std::stop_token& stop);

  SigningKeys keys_;
  std::atomic<std::int64_t> clock_offset_{0};
  mutable std::mutex mutex_;
  Endpoint endpoint_;
};

// Pieces of answers.

/// The checksum that headers state, whatever its kind; nullopt for composite ones.
std::optional<Checksum> stated_checksum(const http::Headers& headers);
/// The checksum among the children of an element.
std::optional<Checksum> stated_checksum(const XmlNode& node);
/// The composite checksum ("…-3") that headers state, or "".
std::string stated_composite(const http::Headers& headers);
ObjectInfo object_of(const std::string& key, const http::Headers& headers);
void add_metadata(http::Headers& headers, const std::string& content_type, const Metadata& metadata,
                  const HeaderList& more);
/// Text of an element under encoding-type=url.
std::string decode_listed(const std::string& text, bool encoded);
std::uint64_t number_of(const XmlNode& node, std::string_view name, std::string_view what);
void check_key(const std::string& key);

}  // namespace dray::s3
