#include <gtest/gtest.h>

#include <string>

#include "dray/http/channel.h"

namespace dray::http {
namespace {

Error error_for(CURLcode code, const std::string& method = "PUT", bool sent = false) {
  const Request request{.method = method, .url = parse_url("https://host.example/p")};
  Exchange exchange(request, BodyLimit{});
  if (sent) exchange.on_send();
  return transport_error(code, "detail\x1B[0m", {}, exchange);
}

TEST(HttpTransportError, FailuresToConnectAreTransientForEveryMethod) {
  for (const CURLcode code :
       {CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT, CURLE_PROXY,
        CURLE_OPERATION_TIMEDOUT, CURLE_SSL_CONNECT_ERROR}) {
    const Error error = error_for(code);
    EXPECT_EQ(error.code(), Code::network) << code;
    EXPECT_EQ(error.retry(), Retry::yes) << code;
    EXPECT_EQ(error.hint().empty(), code == CURLE_SSL_CONNECT_ERROR) << code;
  }
}

TEST(HttpTransportError, LostAnswersAreAmbiguousForWrites) {
  for (const CURLcode code : {CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR,
                              CURLE_PARTIAL_FILE, CURLE_ABORTED_BY_CALLBACK}) {
    EXPECT_EQ(error_for(code, "PUT", true).retry(), Retry::ambiguous) << code;
    EXPECT_EQ(error_for(code, "POST", true).retry(), Retry::ambiguous) << code;
    EXPECT_EQ(error_for(code, "GET", true).retry(), Retry::yes) << code;
    EXPECT_EQ(error_for(code, "HEAD", true).retry(), Retry::yes) << code;
    EXPECT_EQ(error_for(code, "PUT", false).retry(), Retry::yes) << code;
  }
}

TEST(HttpTransportError, UntrustedCertificatesAreNotRetriedAndHaveAHint) {
  for (const CURLcode code : {CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE}) {
    const Error error = error_for(code);
    EXPECT_EQ(error.code(), Code::auth) << code;
    EXPECT_FALSE(error.retryable()) << code;
    for (const char* name : {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"})
      EXPECT_NE(error.hint().find(name), std::string::npos) << name;
  }
}

TEST(HttpTransportError, UnknownCodesAreNamed) {
  const std::string text = error_for(CURLE_FTP_ACCEPT_FAILED).what();
  EXPECT_NE(text.find("libcurl failed with 10: detail[0m"), std::string::npos) << text;
}

}  // namespace
}  // namespace dray::http
