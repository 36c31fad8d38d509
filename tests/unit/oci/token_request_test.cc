// Answers of token services, and where credentials may go.
#include "dray/oci/token_request.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/errors.h"

namespace dray::oci {
namespace {

using test::error_of;

constexpr UnixTime kNow = 1'800'000'000;

Token parse(const std::string& text) { return parse_token_answer(text, kNow, "the answer"); }
long long life(const std::string& fields) {
  return parse(R"({"token":"t")" + fields + "}").life.count();
}

TEST(OciTokenAnswer, EitherName) {
  EXPECT_EQ(parse(R"({"token":"a.b-c_d=="})").value.reveal(), "a.b-c_d==");
  EXPECT_EQ(parse(R"({"access_token":"b","token":null})").value.reveal(), "b");
  EXPECT_EQ(parse(R"({"access_token":"b","token":""})").value.reveal(), "b");
  EXPECT_EQ(parse(R"({"access_token":"b","token":"a"})").value.reveal(), "a");
  EXPECT_EQ(parse(R"({"token":"a","refresh_token":"r"})").identity_token.reveal(), "r");
}

TEST(OciTokenAnswer, HowLongItLives) {
  EXPECT_EQ(life(""), 60);
  EXPECT_EQ(life(R"(,"expires_in":5)"), 60);
  EXPECT_EQ(life(R"(,"expires_in":1800)"), 1800);
  EXPECT_EQ(life(R"(,"expires_in":18446744073709551615)"), 366LL * 24 * 3600);
  const auto issued = [](std::int64_t ago) {
    return R"(,"expires_in":300,"issued_at":")" + rfc3339(kNow - ago) + "\"";
  };
  EXPECT_EQ(life(issued(0)), 300);
  EXPECT_EQ(life(issued(100)), 200);
  EXPECT_EQ(life(issued(1000)), 0);
  EXPECT_EQ(life(issued(-1000)), 300);  // from the future: a wrong clock
  EXPECT_EQ(life(R"(,"issued_at":"not a time")"), 60);
}

TEST(OciTokenAnswer, AnythingElseIsMalformedAndNotQuoted) {
  for (const std::string& text :
       {std::string(), std::string("hidden"), std::string("[]"), std::string("{}"),
        std::string(R"({"token":""})"), std::string(R"({"token":["hidden"]})"),
        std::string(R"({"token":"hid den"})"), std::string(R"({"token":"hidden\r\nX: y"})"),
        std::string(R"({"token":"hidd\u00e9n"})"), std::string(R"({"token":"a","expires_in":"x"})"),
        R"({"token":")" + std::string(70'000, 'a') + "\"}",
        R"({"token":"hidden"})" + std::string(1 << 20, ' ')}) {
    const Error error = error_of([&] { parse(text); });
    EXPECT_EQ(error.code(), Code::malformed) << text.substr(0, 100);
    EXPECT_EQ(std::string(error.what()).find("hid"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("the answer"), std::string::npos);
  }
}

TEST(OciTokenAnswer, WhereCredentialsMayGo) {
  const http::Url secure = http::parse_url("https://registry.example");
  const http::Url plain = http::parse_url("http://registry.example:5000");
  const auto may = [](const char* realm, const http::Url& registry) {
    return credentials_may_go_to(http::parse_url(realm), registry);
  };
  EXPECT_TRUE(may("https://elsewhere.example/token", secure));
  EXPECT_TRUE(may("https://elsewhere.example/token", plain));
  EXPECT_TRUE(may("http://localhost:1/token", secure));
  EXPECT_TRUE(may("http://127.0.0.1/token", secure));
  EXPECT_TRUE(may("http://[::1]/token", secure));
  EXPECT_TRUE(may("http://registry.example:5000/token", plain));
  EXPECT_FALSE(may("http://elsewhere.example/token", secure));
  EXPECT_FALSE(may("http://registry.example/token", secure));
  EXPECT_FALSE(may("http://registry.example/token", plain));
  EXPECT_FALSE(may("http://localhost.example/token", secure));
}

TEST(OciTokenAnswer, BasicHeaders) {
  EXPECT_EQ(basic_header({.user = "me", .password = Secret("p:w"), .origin = ""}).reveal(),
            "Basic bWU6cDp3");
  EXPECT_EQ(
      basic_header({.user = "<token>", .identity_token = Secret("it"), .origin = ""}).reveal(),
      "Basic PHRva2VuPjppdA==");
}

}  // namespace
}  // namespace dray::oci
