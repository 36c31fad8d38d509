#include "dray/oci/challenge.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/errors.h"

namespace dray::oci {
namespace {

using test::error_of;
using Challenges = std::vector<Challenge>;

TEST(OciChallenge, OfRegistries) {
  EXPECT_EQ(parse_challenges(R"(Bearer realm="https://auth.docker.io/token",)"
                             R"(service="registry.docker.io",scope="repository:a/b:pull,push")"),
            (Challenges{{.scheme = "bearer",
                         .realm = "https://auth.docker.io/token",
                         .service = "registry.docker.io",
                         .scope = "repository:a/b:pull,push"}}));
  EXPECT_EQ(parse_challenges(R"(Basic realm="Registry Realm")"),
            (Challenges{{.scheme = "basic", .realm = "Registry Realm"}}));
  EXPECT_EQ(
      parse_challenges("BEARER  Realm = \"r\" , SCOPE\t=\t\"a b\",error=invalid_token, x=y"),
      (Challenges{{.scheme = "bearer", .realm = "r", .scope = "a b", .error = "invalid_token"}}));
}

TEST(OciChallenge, SeveralInOneField) {
  EXPECT_EQ(
      parse_challenges(R"(, Negotiate, Custom YII+/-._~==, Basic realm="a, Bearer realm=\"no\"",)"
                       R"( charset="UTF-8",, Bearer realm="b",service=s ,)"),
      (Challenges{{.scheme = "negotiate"},
                  {.scheme = "custom"},
                  {.scheme = "basic", .realm = R"(a, Bearer realm="no")"},
                  {.scheme = "bearer", .realm = "b", .service = "s"}}));
  EXPECT_EQ(parse_challenges("Negotiate abc"), (Challenges{{.scheme = "negotiate"}}));
  EXPECT_EQ(parse_challenges(""), Challenges{});
  EXPECT_EQ(parse_challenges(" ,, "), Challenges{});
  http::Headers headers;
  headers.add("www-authenticate", "Basic realm=a");
  headers.add("WWW-Authenticate", "Bearer realm=b");
  EXPECT_EQ(challenges_of(headers),
            (Challenges{{.scheme = "basic", .realm = "a"}, {.scheme = "bearer", .realm = "b"}}));
}

TEST(OciChallenge, EscapesAndLiberties) {
  EXPECT_EQ(parse_challenges(R"(Basic realm="a\"b\\c\d")")[0].realm, R"(a"b\cd)");
  EXPECT_EQ(parse_challenges("Basic realm=\"\"")[0].realm, "");
  EXPECT_EQ(parse_challenges("Basic realm=first, realm=second")[0].realm, "first");
  EXPECT_EQ(
      parse_challenges("Bearer realm=https://a.example/t?x=y;z,service=s"),
      (Challenges{{.scheme = "bearer", .realm = "https://a.example/t?x=y;z", .service = "s"}}));
  EXPECT_EQ(parse_challenges(R"(Bearer realm="r" service="s")"),
            (Challenges{{.scheme = "bearer", .realm = "r", .service = "s"}}));
}

TEST(OciChallenge, OtherTextsAreMalformed) {
  for (const std::string text : {"realm=\"a\"", "Bearer realm=\"a", "Bearer realm=\"a\\",
                                 "Bearer realm=\"a\"b", "Bearer realm=\"a\nb\"", "Bearer \"a\"",
                                 "\"", "=", "Bearer realm=\"a\", =b", "Bearer/ realm=x"})
    EXPECT_EQ(error_of([&] { parse_challenges(text); }).code(), Code::malformed) << text;
}

TEST(OciChallenge, Limits) {
  const auto repeated = [](const std::string& text, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += text;
    return out;
  };
  EXPECT_EQ(parse_challenges(repeated("A,", 16)).size(), 16u);
  EXPECT_THROW(parse_challenges(repeated("A,", 17)), Error);
  EXPECT_NO_THROW(parse_challenges("A " + repeated("x=y,", 64)));
  EXPECT_THROW(parse_challenges("A " + repeated("x=y,", 65)), Error);
  EXPECT_THROW(parse_challenges("A x=" + std::string(70'000, 'y')), Error);
}

}  // namespace
}  // namespace dray::oci
