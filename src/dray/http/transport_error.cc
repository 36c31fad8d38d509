// libcurl's result codes as errors of ours.
#include <curl/curl.h>
#include <fmt/format.h>

#include "dray/http/channel.h"
#include "dray/http/excerpt.h"

namespace dray::http {

namespace {

constexpr const char* kConnectHint =
    "check the address, the network, and the proxy settings (HTTPS_PROXY, NO_PROXY)";
constexpr const char* kTrustHint =
    "if the server's certificate comes from an authority of your own, name its PEM file in "
    "SSL_CERT_FILE, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE";

std::string with_detail(std::string message, const std::string& detail) {
  const std::string clean = clean_text(detail, 200);
  return clean.empty() ? message : message + ": " + clean;
}

}  // namespace

Error transport_error(CURLcode code, const std::string& detail, const ClientOptions& options,
                      const Exchange& exchange) {
  const Url& url = exchange.request().url;
  const auto network = [&](const std::string& message) {
    return exchange.interrupted(with_detail(message, detail));
  };
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return exchange.interrupted("could not resolve the name " + url.host).hint(kConnectHint);
    case CURLE_COULDNT_RESOLVE_PROXY:
      return exchange.interrupted("could not resolve the proxy's name").hint(kConnectHint);
    case CURLE_PROXY:
      return network("the proxy refused").hint(kConnectHint);
    case CURLE_COULDNT_CONNECT:
      return exchange.interrupted("could not connect to " + url.authority()).hint(kConnectHint);
    case CURLE_OPERATION_TIMEDOUT:
      return exchange
          .interrupted(fmt::format("no connection to {} within {} ms", url.authority(),
                                   options.connect_timeout.count()))
          .hint(kConnectHint);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return exchange
          .error(Code::auth,
                 with_detail("the certificate of " + url.authority() + " could not be verified",
                             detail))
          .hint(kTrustHint);
    case CURLE_SSL_CACERT_BADFILE:
      return exchange.error(Code::auth, with_detail("the CA file could not be used", detail))
          .hint(kTrustHint);
    case CURLE_SSL_CONNECT_ERROR:
      return network("the TLS handshake with " + url.authority() + " failed");
    case CURLE_GOT_NOTHING:
      return exchange.interrupted("the connection was closed without an answer");
    case CURLE_ABORTED_BY_CALLBACK:  // Exchange::on_send refused a second time
      return exchange.interrupted("the connection was lost before an answer came");
    case CURLE_PARTIAL_FILE:
      if (const auto expected = exchange.expected())
        return exchange.interrupted(fmt::format("the connection ended after {} of {} bytes",
                                                exchange.body_received(), *expected));
      return exchange.interrupted(
          fmt::format("the connection ended after {} bytes", exchange.body_received()));
    case CURLE_SEND_ERROR:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_RECV_ERROR:
      return network(
          fmt::format("the connection was lost after {} bytes", exchange.body_received()));
    case CURLE_OUT_OF_MEMORY:
      return exchange.error(Code::storage, "out of memory").from(Side::local);
    case CURLE_URL_MALFORMAT:
      return exchange.error(Code::malformed, "not a URL that can be sent to");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
      return exchange.error(Code::malformed, with_detail("not a valid HTTP answer", detail));
    default:
      return exchange.error(
          Code::internal,
          with_detail(fmt::format("libcurl failed with {}", static_cast<int>(code)), detail));
  }
}

}  // namespace dray::http
