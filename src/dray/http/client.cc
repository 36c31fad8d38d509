#include "dray/http/client.h"

#include <curl/curl.h>

#include <cassert>
#include <utility>

#include "dray/http/channel.h"
#include "dray/http/exchange.h"

namespace dray::http {

namespace {

/// libcurl's own initialization: once a process, before the first handle.
void initialize_curl() {
  static const CURLcode result = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (result != CURLE_OK) throw Error(Code::internal, "libcurl could not be initialized");
}

ClientOptions initialized(ClientOptions options) {
  initialize_curl();
  return options;
}

}  // namespace

struct Client::Impl {
  explicit Impl(ClientOptions given) : options(initialized(std::move(given))) {}

  Response perform(Exchange& exchange, const std::stop_token& stop) {
    const Url& url = exchange.request().url;
    std::unique_ptr<Channel> channel = pool.take(url.origin());
    try {
      channel->perform(options, exchange, stop);
    } catch (...) {
      pool.give(
          std::move(channel));  // its connection is closed, its loaded certificates are not lost
      throw;
    }
    pool.give(std::move(channel));
    return std::move(exchange.response());
  }

  ClientOptions options;
  ChannelPool pool;
};

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

Client::~Client() = default;

const ClientOptions& Client::options() const { return impl_->options; }

Response Client::send(const Request& request, const std::stop_token& stop, BodyLimit limit) {
  Exchange exchange(request, limit);
  return impl_->perform(exchange, stop);
}

Response Client::send_range(const Request& request, const RangeInto& into,
                            const std::stop_token& stop) {
  assert(into.range.length > 0 && into.out.size() == into.range.length);
  Request ranged = request;
  ranged.headers.set("Range", "bytes=" + std::to_string(into.range.offset) + "-" +
                                  std::to_string(into.range.end() - 1));
  Exchange exchange(ranged, into);
  return impl_->perform(exchange, stop);
}

Response Client::send_streamed(const Request& request, const std::function<bool(Bytes)>& sink,
                               const std::stop_token& stop) {
  Exchange exchange(request, sink);
  return impl_->perform(exchange, stop);
}

Response Client::send_body(const Request& request, const BodyStream& body,
                           const std::stop_token& stop, BodyLimit limit) {
  Exchange exchange(request, body, limit);
  return impl_->perform(exchange, stop);
}

}  // namespace dray::http
