#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>

#include "dray/base/file.h"
#include "dray/http/client.h"
#include "tests/support/environment.h"
#include "tests/support/errors.h"
#include "tests/support/raw_socket.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tls_server.h"

namespace dray::http {
namespace {

using test::error_of;

class HttpClientTls : public testing::Test {
 protected:
  HttpClientTls() {
    for (const char* name : kVariables) environment_.set(name, std::nullopt);
    write_file_atomic(ca_, certificate_.certificate_pem);
  }
  Request request() const { return {.url = parse_url(server_.url() + "/")}; }

  static constexpr std::array kVariables = {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE",
                                            "CURL_CA_BUNDLE"};
  test::Environment environment_;
  const test::TempFolder folder_;
  const std::filesystem::path ca_ = folder_.path() / "ca.pem";
  const test::Certificate certificate_ = test::self_signed("127.0.0.1");
  const test::TlsServer server_{certificate_, "over TLS"};
};

TEST_F(HttpClientTls, AnUnknownAuthorityIsRefusedWithAHint) {
  const Error error = error_of([&] { Client().send(request()); });
  EXPECT_EQ(error.code(), Code::auth);
  EXPECT_FALSE(error.retryable());
  EXPECT_NE(error.hint().find("SSL_CERT_FILE"), std::string::npos);
  EXPECT_NE(std::string(error.what()).find("could not be verified"), std::string::npos);
}

TEST_F(HttpClientTls, TheOptionNamesTheAuthority) {
  EXPECT_EQ(Client({.ca_file = ca_.string()}).send(request()).body, "over TLS");
}

TEST_F(HttpClientTls, ConnectionsAreKept) {
  Client client({.ca_file = ca_.string()});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.send(request()).status, 200);
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(HttpClientTls, EveryVariableNamesTheAuthority) {
  for (const char* name : kVariables) {
    environment_.set(name, ca_.string());
    EXPECT_EQ(Client().send(request()).body, "over TLS") << name;
    environment_.set(name, std::nullopt);
  }
}

TEST_F(HttpClientTls, TheOptionComesBeforeTheVariablesAndThoseInTheirOrder) {
  const auto other = folder_.path() / "other.pem";
  write_file_atomic(other, test::self_signed("127.0.0.1").certificate_pem);
  environment_.set("CURL_CA_BUNDLE", other.string());
  environment_.set("SSL_CERT_FILE", ca_.string());
  EXPECT_EQ(Client().send(request()).body, "over TLS");
  EXPECT_EQ(error_of([&] { Client({.ca_file = other.string()}).send(request()); }).code(),
            Code::auth);
  environment_.set("SSL_CERT_FILE", std::nullopt);
  EXPECT_EQ(error_of([&] { Client().send(request()); }).code(), Code::auth);
}

TEST_F(HttpClientTls, AMissingBundleIsNamed) {
  const Error error = error_of([&] { Client({.ca_file = "/nowhere/ca.pem"}).send(request()); });
  EXPECT_EQ(error.code(), Code::auth);
  EXPECT_NE(std::string(error.what()).find("/nowhere/ca.pem"), std::string::npos) << error.what();
}

TEST_F(HttpClientTls, TheNameMustMatch) {
  const test::Certificate certificate = test::self_signed("other.example");
  const test::TlsServer server(certificate, "x");
  write_file_atomic(ca_, certificate.certificate_pem);
  const Request to_it{.url = parse_url(server.url())};
  EXPECT_EQ(error_of([&] { Client({.ca_file = ca_.string()}).send(to_it); }).code(), Code::auth);
}

TEST_F(HttpClientTls, VerificationCanBeSwitchedOff) {
  EXPECT_EQ(Client({.verify_tls = false}).send(request()).body, "over TLS");
}

TEST_F(HttpClientTls, PlainTextWhereTlsIsExpectedIsANetworkError) {
  const test::RawSocket socket;
  std::jthread serving([&] { test::send_text(socket.accept(), "HTTP/1.1 400 Bad\r\n\r\n"); });
  const Request plain{.method = "PUT", .url = parse_url("https" + socket.url().substr(4))};
  const Error error = error_of([&] { Client().send(plain); });
  EXPECT_EQ(error.code(), Code::network);
  EXPECT_EQ(error.retry(), Retry::yes) << "nothing was sent";
}

}  // namespace
}  // namespace dray::http
