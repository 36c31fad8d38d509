#include "dray/http/url.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "dray/base/error.h"
#include "tests/support/random.h"

namespace dray::http {
namespace {

TEST(HttpUrl, SplitsAndKeepsPathAndQueryAsGiven) {
  const Url url = parse_url("HTTPS://Example.COM:8443/a%2fB//c/../d;p?x=%20&y#frag");
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.host, "example.com");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.path, "/a%2fB//c/../d;p");
  EXPECT_EQ(url.query, "x=%20&y");
  EXPECT_EQ(url.text(), "https://example.com:8443/a%2fB//c/../d;p?x=%20&y");
}

TEST(HttpUrl, DefaultPortsAreLeftOut) {
  EXPECT_EQ(parse_url("https://h:443").text(), "https://h/");
  EXPECT_EQ(parse_url("http://h:80/").text(), "http://h/");
  EXPECT_EQ(parse_url("http://h:/").text(), "http://h/");
  EXPECT_EQ(parse_url("http://h:443/").authority(), "h:443");
  EXPECT_EQ(parse_url("http://h?q").text(), "http://h/?q");
  EXPECT_TRUE(parse_url("https://h").has_default_port());
  EXPECT_FALSE(parse_url("http://h:443").has_default_port());
}

TEST(HttpUrl, Ipv6) {
  const Url url = parse_url("http://[2001:DB8::1]:9000/x");
  EXPECT_EQ(url.host, "[2001:db8::1]");
  EXPECT_EQ(url.port, 9000);
  EXPECT_EQ(url.origin(), "http://[2001:db8::1]:9000");
  EXPECT_EQ(parse_url("http://[::1]").text(), "http://[::1]/");
}

TEST(HttpUrl, OriginsDecideWhereCredentialsGo) {
  EXPECT_EQ(parse_url("https://h/a").origin(), parse_url("HTTPS://H:443/b?c").origin());
  EXPECT_NE(parse_url("https://h/").origin(), parse_url("http://h/").origin());
  EXPECT_NE(parse_url("https://h/").origin(), parse_url("https://h:444/").origin());
  EXPECT_NE(parse_url("https://h/").origin(), parse_url("https://h.evil/").origin());
}

TEST(HttpUrl, RefusesHostileText) {
  const std::string bad[] = {
      "", "h", "/path", "//h/p", "http:", "http:/h", "http://", "http:///p", "http://:80/",
      "ftp://h/", "file:///etc/passwd", "javascript://h/", "http+unix://h/", "ht tp://h/",
      // two readings of where the host is
      "http://good@evil/", "http://user:hunter2@h/", "http://good:80@evil/", "http://@h/",
      "http://good\\@evil/", "http://evil\\.good/", "http://h/a\\b",
      // hosts
      "http://h%2eevil/", "http://h h/", "http://h<>/", "http://\xC3\xA9/", "http://h,h2/",
      "http://" + std::string(256, 'a') + "/",
      // ports
      "http://h:65536/", "http://h:99999999999999999999/", "http://h:0/", "http://h:-1/",
      "http://h:+80/", "http://h:8 0/", "http://h:80:80/", "http://h:0x50/",
      // IPv6
      "http://[::1/", "http://::1]/", "http://[]/", "http://[::1]x/", "http://[::1%25eth0]/",
      "http://[g::1]/", "http://[127.0.0.1]/", "http://[::1]]/",
      // what would end or forge a request line
      "http://h/a b", "http://h/a\r\nX: y", "http://h/\x01", "http://h/\x7F", "http://h/?a\tb",
      std::string("http://h/\0x", 11), "http://h/#a b", " http://h/", "http://h/ ",
      "http://h/" + std::string(64 << 10, 'a')};
  for (const std::string& text : bad) {
    try {
      parse_url(text);
      ADD_FAILURE() << "accepted: " << text.substr(0, 80);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::malformed) << text.substr(0, 80);
      EXPECT_EQ(std::string(error.what()).find("hunter2"), std::string::npos)
          << "a password is shown";
    }
  }
}

TEST(HttpUrl, AtSignsAreFineBehindTheHost) {
  EXPECT_EQ(parse_url("http://h/a@b?c@d").path, "/a@b");
  EXPECT_EQ(parse_url("http://h?u=http://x@y/").query, "u=http://x@y/");
}

TEST(HttpUrl, ShownHidesQueryValues) {
  EXPECT_EQ(parse_url("https://b.s3/k?X-Amz-Signature=abc&uploads&list-type=2").shown(),
            "https://b.s3/k?X-Amz-Signature=...&uploads&list-type=...");
  EXPECT_EQ(parse_url("https://h/k?" + std::string(40, 's')).shown(), "https://h/k?...");
  EXPECT_EQ(parse_url("https://h/\xE2\x80\xAE?\xC2\x9B=1").shown(),
            "https://h/%E2%80%AE?%C2%9B=...");
  EXPECT_LT(parse_url("https://h/" + std::string(9000, 'p')).shown().size(), 1100U);
  EXPECT_LT(parse_url("https://h/?" + std::string(9000, '&')).shown().size(), 1100U);
}

TEST(HttpUrl, ResolvesTheExamplesOfRfc3986) {
  const Url base = parse_url("http://a/b/c/d;p?q");
  const std::pair<const char*, const char*> cases[] = {
      // section 5.4.1
      {"g", "http://a/b/c/g"},
      {"./g", "http://a/b/c/g"},
      {"g/", "http://a/b/c/g/"},
      {"/g", "http://a/g"},
      {"//g", "http://g/"},
      {"?y", "http://a/b/c/d;p?y"},
      {"g?y", "http://a/b/c/g?y"},
      {"#s", "http://a/b/c/d;p?q"},
      {"g#s", "http://a/b/c/g"},
      {"g?y#s", "http://a/b/c/g?y"},
      {";x", "http://a/b/c/;x"},
      {"g;x", "http://a/b/c/g;x"},
      {"g;x?y#s", "http://a/b/c/g;x?y"},
      {"", "http://a/b/c/d;p?q"},
      {".", "http://a/b/c/"},
      {"./", "http://a/b/c/"},
      {"..", "http://a/b/"},
      {"../", "http://a/b/"},
      {"../g", "http://a/b/g"},
      {"../..", "http://a/"},
      {"../../", "http://a/"},
      {"../../g", "http://a/g"},
      // section 5.4.2
      {"../../../g", "http://a/g"},
      {"../../../../g", "http://a/g"},
      {"/./g", "http://a/g"},
      {"/../g", "http://a/g"},
      {"g.", "http://a/b/c/g."},
      {".g", "http://a/b/c/.g"},
      {"g..", "http://a/b/c/g.."},
      {"..g", "http://a/b/c/..g"},
      {"./../g", "http://a/b/g"},
      {"./g/.", "http://a/b/c/g/"},
      {"g/./h", "http://a/b/c/g/h"},
      {"g/../h", "http://a/b/c/h"},
      {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
      {"g;x=1/../y", "http://a/b/c/y"},
      {"g?y/./x", "http://a/b/c/g?y/./x"},
      {"g?y/../x", "http://a/b/c/g?y/../x"},
      // more
      {"https://other:8443/x/../y?z", "https://other:8443/y?z"},
      {"HTTP://B", "http://b/"},
      {"/a//b/..", "http://a/a//"},
      {"/?q=//x", "http://a/?q=//x"},
      {"/%2e%2e/x", "http://a/%2e%2e/x"},
      {"./a:b", "http://a/b/c/a:b"}};
  for (const auto& [reference, expected] : cases)
    EXPECT_EQ(resolve(base, reference).text(), expected) << reference;
}

TEST(HttpUrl, ResolveRefusesWhatParseRefuses) {
  const Url base = parse_url("https://a/b?token=1");
  for (const char* reference :
       {"ftp://h/", "http:g", "a:b", "//user@h/", "//h:99999", "/a b", "/a\\b", "\\\\h\\x", "//"}) {
    EXPECT_THROW(resolve(base, reference), Error) << reference;
  }
  EXPECT_THROW(resolve(base, std::string(64 << 10, 'a')), Error);
  EXPECT_EQ(resolve(base, "c").query, "") << "a query must not travel on to another path";
}

TEST(HttpUrl, Loopback) {
  for (const char* text : {"http://localhost", "http://LOCALHOST:1", "http://127.0.0.1",
                           "http://127.9.8.7:80", "http://[::1]:5000"})
    EXPECT_TRUE(is_loopback(parse_url(text))) << text;
  for (const char* text :
       {"http://localhost.evil", "http://127.0.0.1.evil", "http://127.evil", "http://128.0.0.1",
        "http://[::2]", "http://0.0.0.0", "http://localhosts"})
    EXPECT_FALSE(is_loopback(parse_url(text))) << text;
}

TEST(HttpUrl, PercentCoding) {
  EXPECT_EQ(percent_encode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encode("a b/c+\xC3\xA9"), "a%20b%2Fc%2B%C3%A9");
  EXPECT_EQ(percent_encode("a b/c", true), "a%20b/c");
  EXPECT_EQ(percent_encode(std::string("\0\xFF", 2)), "%00%FF");
  EXPECT_EQ(percent_decode("a%20b%2fc+"), "a b/c+");
  for (const char* text : {"%", "%2", "a%", "%G0", "%0G", "%%20", "%-1"})
    EXPECT_EQ(percent_decode(text), std::nullopt) << text;
}

TEST(HttpUrl, WhatIsEncodedDecodesToItself) {
  auto random = test::generator(11);
  for (int i = 0; i < 200; ++i) {
    std::string text(random() % 40, ' ');
    for (char& c : text) c = static_cast<char>(random());
    EXPECT_EQ(percent_decode(percent_encode(text, i % 2 == 0)), text);
  }
}

TEST(HttpUrl, ParsesQueries) {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(parse_query(""), Pairs{});
  EXPECT_EQ(parse_query("a=1&b=&c&=d&&e=f=g"),
            (Pairs{{"a", "1"}, {"b", ""}, {"c", ""}, {"", "d"}, {"e", "f=g"}}));
  EXPECT_EQ(parse_query("a%26=%3D+x&bad=%zz"), (Pairs{{"a&", "=+x"}, {"bad", "%zz"}}));
}

}  // namespace
}  // namespace dray::http
